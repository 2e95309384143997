"""Sealing on worker threads, and the bound on content that waits in memory."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from sqlfs.chunks import ChunkPool, SealedChunk
from sqlfs.limits import COMMIT_BYTES, DIRTY_BYTES_MAX

_WORKERS = 2
# Below this, handing the work to a thread costs more than doing it.
_INLINE_BYTES = 32 * 1024


@dataclass(slots=True)
class SealJob:
    """A chunk on its way to the store.  Workers only compute; they never take the store's
    lock, so whoever holds it may wait for them."""

    plain: bytes
    result: Future[SealedChunk]


class Gauge:
    """Bytes of content in memory that are not in the store yet.

    The count is guarded by a lock of its own; :meth:`wait` is called without any other.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._bytes = 0

    @property
    def bytes(self) -> int:
        return self._bytes

    @property
    def large(self) -> bool:
        """Whether a commit is due for size alone."""
        return self._bytes >= COMMIT_BYTES

    @property
    def full(self) -> bool:
        return self._bytes >= DIRTY_BYTES_MAX

    def add(self, count: int) -> None:
        with self._changed:
            self._bytes += count
            if count < 0:
                self._changed.notify_all()

    def wait(self, deadline_s: float) -> None:
        """Until there is room, or `deadline_s` seconds have passed."""
        with self._changed:
            self._changed.wait_for(lambda: not self.full, deadline_s)


class SealWorkers:
    """Threads that digest and seal; one set per volume file."""

    def __init__(self, gauge: Gauge, on_done: Callable[[], None]) -> None:
        self.gauge = gauge
        # Whoever has a chunk that was sealed meanwhile, once for each.
        self.sealed: deque[object] = deque()
        self._on_done = on_done
        self._threads = ThreadPoolExecutor(_WORKERS, "sqlfs-seal")

    def submit(self, pool: ChunkPool, plain: bytes, owner: object) -> SealJob:
        """Begin to seal; small pieces at once.  `owner` then stands in :attr:`sealed`."""
        result: Future[SealedChunk]
        if len(plain) <= _INLINE_BYTES:
            result = Future()
            result.set_result(pool.seal(plain))
        else:
            result = self._threads.submit(pool.seal, plain)
            result.add_done_callback(lambda _: self._done(owner))
        return SealJob(plain, result)

    def _done(self, owner: object) -> None:
        self.sealed.append(owner)
        self._on_done()

    def close(self) -> None:
        self._threads.shutdown()
