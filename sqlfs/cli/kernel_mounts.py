"""The mounts of this machine, from the kernel's own list: no mountpoint is touched."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FILE_SYSTEM_TYPE: Final = "fuse.sqlfs"

_OCTAL: Final = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class KernelMount:
    where: str
    source: str  # the volume file, unless its mounter said otherwise
    read_only: bool
    flags: frozenset[str] = frozenset()  # all words the kernel has for it


def kernel_mounts() -> list[KernelMount]:
    """Those of sqlfs, the latest last.  Dead ones too."""
    found = []
    for row in Path("/proc/self/mountinfo").read_bytes().splitlines():
        # Fields of proc(5): ... 4 the mountpoint, 5 options, some more, "-", type, source, ...
        fields = row.split(b" ")
        kind, source, others = fields[fields.index(b"-", 6) + 1 :]
        if kind == FILE_SYSTEM_TYPE.encode():
            flags = frozenset(os.fsdecode(fields[5] + b"," + others).split(","))
            found.append(KernelMount(_plain(fields[4]), _plain(source), "ro" in flags, flags))
    return found


def _plain(field: bytes) -> str:
    """Blanks and backslashes are octal there."""
    return os.fsdecode(_OCTAL.sub(lambda match: bytes([int(match[1], 8)]), field))
