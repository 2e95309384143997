"""Steps on files by way of memory.

No step touches a page that its file does not reach to: that is a SIGBUS, on both sides.
"""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from pathlib import Path

from tests.oracle.side import Side


@dataclass(frozen=True, slots=True)
class Map:
    memory: mmap.mmap
    node: int
    shared: bool
    writable: bool

    @property
    def reach(self) -> int:
        """Bytes that can be touched now; the file may be shorter or longer than when mapped."""
        return min(self.memory.size(), len(self.memory))


class MapCalls(Side):
    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.maps: dict[int, Map] = {}

    def map(self, number: int, handle: int, shared: bool, writable: bool) -> str:
        """Map all that a file is now."""
        descriptor = self.descriptor(handle)
        status = os.fstat(descriptor)
        if status.st_size == 0:
            return "empty"
        memory = mmap.mmap(
            descriptor,
            0,
            mmap.MAP_SHARED if shared else mmap.MAP_PRIVATE,
            mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0),
        )
        self.maps[number] = Map(memory, status.st_ino, shared, writable)
        return "mapped"

    def map_read(self, number: int, offset: int, size: int) -> bytes:
        """What there is of so many bytes."""
        if number not in self.maps:
            return b""
        mapped = self.maps[number]
        return mapped.memory[offset : min(offset + size, mapped.reach)]

    def map_write(self, number: int, offset: int, data: bytes) -> int:
        """As many bytes as there is room for; how many that were."""
        if number not in self.maps or not self.maps[number].writable:
            return 0
        mapped = self.maps[number]
        data = data[: max(0, mapped.reach - offset)]
        if data:
            mapped.memory[offset : offset + len(data)] = data
        if mapped.shared:
            self.written_by_map.add(mapped.node)
        return len(data)

    def map_sync(self, number: int) -> None:
        if number in self.maps:
            self.maps[number].memory.flush()

    def unmap(self, number: int) -> None:
        if number in self.maps:
            self.maps.pop(number).memory.close()
