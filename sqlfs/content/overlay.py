"""What lies over the stored tree of one file, slot by slot, until it is put into the tree."""

from __future__ import annotations

from sqlfs.chunks import ChunkPool, Reference
from sqlfs.content.sealing import SealJob, SealWorkers


class Overlay:
    """A slot (the place of one chunk) is looked for in this order:

    1. ``dirty``: bytes being written, not sealed yet; may be shorter than the slot, zeros follow;
    2. ``jobs``: being sealed;
    3. ``landed``: stored, but in no manifest yet (None: became a hole).

    All methods run under the store's lock; those that drop or land something that is stored,
    inside its transaction.
    """

    def __init__(self, pool: ChunkPool, workers: SealWorkers, owner: object) -> None:
        self._pool = pool
        self._workers = workers
        self._owner = owner  # is told when something was sealed
        self.dirty: dict[int, bytearray] = {}
        self.jobs: dict[int, SealJob] = {}
        self.landed: dict[int, Reference | None] = {}

    def __contains__(self, index: int) -> bool:
        return index in self.dirty or index in self.jobs or index in self.landed

    def slots(self) -> set[int]:
        return {*self.dirty, *self.jobs, *self.landed}

    def is_hole(self, index: int) -> bool:
        """Whether slot `index`, one of these, holds but zeros."""
        if index in self.dirty:
            return is_zero(self.dirty[index])
        return index not in self.jobs and self.landed[index] is None

    def plain(self, index: int) -> bytes | bytearray | None:
        """The bytes of a slot that are in memory; None where there are none."""
        dirty = self.dirty.get(index)
        if dirty is not None:
            return dirty
        job = self.jobs.get(index)
        return job.plain if job is not None else None

    # --- changing ---

    def open(self, index: int, content: bytes | bytearray) -> bytearray:
        """A dirty buffer that begins as `content`, in the place of one being sealed.  Who changes
        its length tells the gauge."""
        self._drop_job(index)
        buffer = self.dirty[index] = bytearray(content)
        self._workers.gauge.add(len(buffer))
        return buffer

    def take(self, index: int) -> bytearray:
        """A dirty buffer, which is none any more."""
        buffer = self.dirty.pop(index)
        self._workers.gauge.add(-len(buffer))
        return buffer

    def submit(self, index: int, plain: bytes) -> None:
        """Have the content of a slot sealed; one of zeros becomes a hole."""
        if is_zero(plain):
            self._land(index, None)
            return
        self.jobs[index] = self._workers.submit(self._pool, plain, self._owner)
        self._workers.gauge.add(len(plain), sealing=True)

    def forget(self, index: int) -> None:
        """Drop what lies over the tree in a slot, which then shows through again."""
        if index in self.dirty:
            self.take(index)
        self._drop_job(index)
        landed = self.landed.pop(index, None)
        if landed is not None:
            self._pool.drop(landed)

    def forget_range(self, first: int, last: int) -> None:
        """The slots from `first` to before `last`."""
        for index in self.slots():
            if first <= index < last:
                self.forget(index)

    # --- storing ---

    def land(self, *, wait: bool, limit: int) -> int:
        """Store what has been sealed, up to `limit` chunks; returns how many.  With `wait`, also
        what is being sealed."""
        stored = 0
        for index, job in list(self.jobs.items()):
            if stored >= limit:
                break
            if wait or job.done:
                reference = self._pool.add(self._workers.wait(job))
                self._drop_job(index)
                self._land(index, reference)
                stored += 1
        return stored

    def _land(self, index: int, reference: Reference | None) -> None:
        old = self.landed.get(index)
        if old is not None:
            self._pool.drop(old)
        self.landed[index] = reference

    def _drop_job(self, index: int) -> None:
        job = self.jobs.pop(index, None)
        if job is not None:
            self._workers.gauge.add(-len(job.plain), sealing=True)


def is_zero(data: bytes | bytearray) -> bool:
    return not any(data[:64]) and data.count(0) == len(data)
