"""Settings of the process that serves a mount."""

from __future__ import annotations

import contextlib
import ctypes
import resource
from typing import Final

from sqlfs.crypto import protect_process
from sqlfs.limits import MIB

OPEN_FILES_MAX: Final = 65_536

# <malloc.h>
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8


def settle() -> None:
    """Keep secrets out of core dumps, allow for many open files, keep memory steady."""
    protect_process()
    _raise_open_files()
    _tune_malloc()


def _raise_open_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES_MAX)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _tune_malloc() -> None:
    """Buffers of a request (1 MiB) come from the heap instead of mmap and munmap each time, and
    few arenas keep what threads have freed from adding up.  Only glibc has the call."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 4 * MIB)
        mallopt(_M_TRIM_THRESHOLD, 8 * MIB)
        mallopt(_M_ARENA_MAX, 2)
