"""Sealing on worker threads, and the bound on content that waits in memory."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue

from sqlfs.chunks import ChunkPool, SealedChunk
from sqlfs.limits import COMMIT_BYTES, DIRTY_BYTES_MAX

_WORKERS = 2
# Below this, handing the work to a thread costs more than doing it.
_INLINE_BYTES = 32 * 1024


class SealJob:
    """A chunk on its way to the store."""

    __slots__ = ("_failed", "_pool", "_sealed", "owner", "plain")

    def __init__(self, pool: ChunkPool, plain: bytes, owner: object) -> None:
        self.plain = plain
        self.owner = owner
        self._pool = pool
        self._sealed: SealedChunk | None = None
        self._failed: BaseException | None = None

    @property
    def done(self) -> bool:
        return self._sealed is not None or self._failed is not None

    def run(self) -> None:
        try:
            self._sealed = self._pool.seal(self.plain)
        except BaseException as error:
            self._failed = error

    def result(self) -> SealedChunk:
        """Of a job that is done.  Raises what sealing did."""
        if self._sealed is None:
            assert self._failed is not None
            raise self._failed
        return self._sealed


# What a body costs besides its bytes, so that a flood of tiny files is bounded too.
_BODY_BYTES = 1024


class Gauge:
    """Bytes of content in memory that are not in the store yet.

    The count is guarded by a lock of its own; :meth:`wait` is called without any other.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._waiting = 0  # threads that are told when the count falls
        self._bytes = 0
        self._sealing = 0  # of them, those on their way to the store
        self.changed_bodies = 0  # guarded by the store's lock

    @property
    def bytes(self) -> int:
        return self._bytes

    @property
    def large(self) -> bool:
        """Whether there is as much as one commit should bring."""
        return self._bytes >= COMMIT_BYTES

    @property
    def lingers(self) -> bool:
        """Whether a commit is due for the size of what nobody seals yet."""
        return self._bytes - self._sealing >= COMMIT_BYTES

    @property
    def full(self) -> bool:
        return self._bytes >= DIRTY_BYTES_MAX

    def add(self, count: int, *, sealing: bool = False) -> None:
        # A condition's own way in and out costs as much as all of this; each write comes by four
        # times.
        with self._lock:
            self._bytes += count
            if sealing:
                self._sealing += count
            if count < 0 and self._waiting:
                self._changed.notify_all()

    def count_body(self, change: int) -> None:
        """One body more differs from what is stored (1), or one less (-1)."""
        self.changed_bodies += change
        self.add(change * _BODY_BYTES)

    def wait(self, deadline_s: float) -> None:
        """Until there is room, or `deadline_s` seconds have passed."""
        with self._lock:
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: not self.full, deadline_s)
            finally:
                self._waiting -= 1


class SealWorkers:
    """Threads that digest and seal; one set per volume file.

    Sealing takes no other lock, so whoever holds the store's may wait for it.
    """

    def __init__(self, gauge: Gauge, on_done: Callable[[], None]) -> None:
        self.gauge = gauge
        # Whoever has a chunk that was sealed meanwhile, once for each.
        self.sealed: deque[object] = deque()
        self._on_done = on_done
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._done = threading.Condition()
        self._threads: list[threading.Thread] = []  # begun when they are first needed

    def submit(self, pool: ChunkPool, plain: bytes, owner: object) -> SealJob:
        """Begin to seal; small pieces at once.  `owner` then stands in :attr:`sealed`.  Called
        under the store's lock."""
        job = SealJob(pool, plain, owner)
        if len(plain) <= _INLINE_BYTES:
            job.run()
        else:
            self.beside(partial(self._run, job))
        return job

    def beside(self, task: Callable[[], None]) -> None:
        """Have a task done that raises nothing; where it waits for the store's lock, the other
        thread goes on sealing.  Called under the store's lock, one such task at a time."""
        if not self._threads:
            self._start()
        self._queue.put(task)

    def wait(self, job: SealJob) -> SealedChunk:
        """What came of it.  Raises what sealing did."""
        if not job.done:
            with self._done:
                self._done.wait_for(lambda: job.done)
        return job.result()

    def close(self) -> None:
        """Wait for what is being sealed."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _start(self) -> None:
        for number in range(_WORKERS):
            thread = threading.Thread(target=self._work, name=f"sqlfs-seal-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            task()

    def _run(self, job: SealJob) -> None:
        job.run()
        with self._done:
            self._done.notify_all()
        self.sealed.append(job.owner)
        self._on_done()
