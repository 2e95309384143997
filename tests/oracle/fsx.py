"""One file is tortured with all that changes or shows its bytes, beside an array of bytes."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from random import Random

from conformance.posix import libc
from sqlfs.limits import CHUNK_BYTES_DEFAULT

# Three whole slots and a bit.
SIZE_MAX = 3 * CHUNK_BYTES_DEFAULT + 5000

_LENGTH_MAX = CHUNK_BYTES_DEFAULT + 5000
_PAGE = mmap.PAGESIZE
_HISTORY_SHOWN = 40


class Torture:
    """The file `path`, new, and what must be in it."""

    def __init__(self, path: Path, random: Random) -> None:
        self._path = path
        self._random = random
        self._expected = bytearray()
        path.touch(exist_ok=False)
        self._descriptor = -1  # while it is closed
        self._history: list[str] = []
        self._steps = {
            self._read: 4,
            self._write: 6,
            self._append: 1,
            self._map_read: 3,
            self._map_write: 4,
            self._truncate: 3,
            self._punch: 3,
            self._zero: 3,
            self._allocate: 1,
            self._copy: 3,
            self._fsync: 1,
            self._forget: 1,
            self._reopen: 1,
            self._check_holes: 1,
        }

    def step(self) -> None:
        """One step at random, and a look at the size."""
        (step,) = self._random.choices(list(self._steps), list(self._steps.values()))
        step()
        size = os.fstat(self._descriptor).st_size
        assert size == len(self._expected), self._differs(f"{size} bytes long")

    def check(self) -> None:
        """Compare everything."""
        self._note("check")
        self._compare(0, os.pread(self._descriptor, SIZE_MAX + 1, 0))

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def open(self) -> None:
        self._note("open")
        self._descriptor = os.open(self._path, os.O_RDWR)

    # --- steps ---

    def _read(self) -> None:
        begin, end = self._range(SIZE_MAX)
        self._note(f"read {begin} {end}")
        self._compare(begin, os.pread(self._descriptor, end - begin, begin), end)

    def _write(self) -> None:
        begin, end = self._range(SIZE_MAX)
        data = self._data(end - begin)
        self._note(f"write {begin} {end}")
        assert os.pwrite(self._descriptor, data, begin) == len(data)
        self._put(begin, data)

    def _append(self) -> None:
        data = self._data(self._random.randint(1, _LENGTH_MAX))
        data = data[: SIZE_MAX - len(self._expected)]
        self._note(f"append {len(data)}")
        os.lseek(self._descriptor, 0, os.SEEK_END)
        assert os.write(self._descriptor, data) == len(data)
        self._put(len(self._expected), data)

    def _map_read(self) -> None:
        begin, end = self._range(len(self._expected))
        self._note(f"mapread {begin} {end}")
        if begin < end:
            with self._map(begin, end, mmap.PROT_READ) as memory:
                self._compare(begin, memory[begin % _PAGE :], end)

    def _map_write(self) -> None:
        begin, end = self._range(SIZE_MAX)
        data = self._data(end - begin)
        self._note(f"mapwrite {begin} {end}")
        if begin == end:
            return
        if end > len(self._expected):
            os.ftruncate(self._descriptor, end)
        with self._map(begin, end, mmap.PROT_READ | mmap.PROT_WRITE) as memory:
            memory[begin % _PAGE :] = data
            if self._random.random() < 0.3:
                memory.flush()
        self._put(begin, data)

    def _truncate(self) -> None:
        size = self._offset(SIZE_MAX)
        self._note(f"truncate {size}")
        os.ftruncate(self._descriptor, size)
        self._grow(size)
        del self._expected[size:]

    def _punch(self) -> None:
        begin, end = self._range(SIZE_MAX)
        self._note(f"punch {begin} {end}")
        self._fallocate(libc.FALLOC_PUNCH_HOLE | libc.FALLOC_KEEP_SIZE, begin, end)
        self._clear(begin, end)

    def _zero(self) -> None:
        begin, end = self._range(SIZE_MAX)
        keep = self._random.random() < 0.5
        self._note(f"zero {begin} {end}{' keeping the size' * keep}")
        self._fallocate(libc.FALLOC_ZERO_RANGE | libc.FALLOC_KEEP_SIZE * keep, begin, end)
        if begin < end and not keep:
            self._grow(end)
        self._clear(begin, end)

    def _allocate(self) -> None:
        begin, end = self._range(SIZE_MAX)
        keep = self._random.random() < 0.5
        self._note(f"allocate {begin} {end}{' keeping the size' * keep}")
        self._fallocate(libc.FALLOC_KEEP_SIZE * keep, begin, end)
        if begin < end and not keep:
            self._grow(end)

    def _copy(self) -> None:
        """Within the file, from one half of it to the other."""
        begin, end = self._range(len(self._expected))
        length = end - begin
        to = self._offset(SIZE_MAX - length)
        self._note(f"copy {begin} {end} to {to}")
        if to < end and begin < to + length:
            return
        data = bytes(self._expected[begin:end])
        done = 0
        while done < length:
            count = os.copy_file_range(
                self._descriptor, self._descriptor, length - done, begin + done, to + done
            )
            assert count > 0, self._differs(f"copied {done} bytes of {length}")
            done += count
        self._put(to, data)

    def _fsync(self) -> None:
        self._note("fsync")
        os.fsync(self._descriptor)

    def _forget(self) -> None:
        """Have the next read ask the file system, not the kernel's memory of it."""
        self._note("forget")
        os.fsync(self._descriptor)
        os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def _reopen(self) -> None:
        self.close()
        self.open()

    def _check_holes(self) -> None:
        """What SEEK_DATA skips is zeros."""
        self._note("holes")
        end = 0
        while end < len(self._expected):
            try:
                begin = os.lseek(self._descriptor, end, os.SEEK_DATA)
            except OSError:  # ENXIO: all the rest is a hole
                begin = len(self._expected)
            assert not any(self._expected[end:begin]), self._differs(f"hole at {end}..{begin}")
            if begin == len(self._expected):
                return
            end = os.lseek(self._descriptor, begin, os.SEEK_HOLE)
            assert end > begin, self._differs(f"no hole after {begin}")

    # --- what they stand on ---

    def _offset(self, bound: int) -> int:
        """Often at or beside the border of a slot."""
        if self._random.random() < 0.4:
            border = self._random.randrange(0, SIZE_MAX, CHUNK_BYTES_DEFAULT)
            return min(max(0, border + self._random.randint(-1, 1)), bound)
        return self._random.randint(0, bound)

    def _range(self, bound: int) -> tuple[int, int]:
        begin = self._offset(bound)
        length_max = self._random.choice([10, 600, _PAGE, 20_000, _LENGTH_MAX])
        end = min(begin + self._random.randint(0, length_max), bound)
        return begin, max(begin, self._offset(end) if self._random.random() < 0.1 else end)

    def _data(self, length: int) -> bytes:
        return self._random.randbytes(length) if self._random.random() < 0.8 else bytes(length)

    def _map(self, begin: int, end: int, protection: int) -> mmap.mmap:
        page = begin // _PAGE * _PAGE
        return mmap.mmap(self._descriptor, end - page, mmap.MAP_SHARED, protection, offset=page)

    def _fallocate(self, mode: int, begin: int, end: int) -> None:
        if begin < end:  # else EINVAL
            libc.fallocate(self._descriptor, mode, begin, end - begin)

    def _grow(self, size: int) -> None:
        self._expected.extend(bytes(max(0, size - len(self._expected))))

    def _put(self, begin: int, data: bytes) -> None:
        if data:
            self._grow(begin + len(data))
            self._expected[begin : begin + len(data)] = data

    def _clear(self, begin: int, end: int) -> None:
        end = min(end, len(self._expected))
        if begin < end:
            self._expected[begin:end] = bytes(end - begin)

    def _compare(self, begin: int, found: bytes, end: int = SIZE_MAX) -> None:
        wanted = self._expected[begin:end]
        if found != wanted:
            pairs = enumerate(zip(found, wanted, strict=False))
            first = next((at for at, (x, y) in pairs if x != y), min(len(found), len(wanted)))
            raise AssertionError(
                self._differs(
                    f"{len(found)} bytes for {len(wanted)} at {begin}; from {begin + first} on "
                    f"{found[first : first + 8].hex()} for {wanted[first : first + 8].hex()}"
                )
            )

    def _note(self, step: str) -> None:
        self._history.append(step)

    def _differs(self, what: str) -> str:
        last = "\n  ".join(self._history[-_HISTORY_SHOWN:])
        return f"{what}, after {len(self._history)} steps, of which the last were\n  {last}"
