"""Settings of the process that serves a mount."""

from __future__ import annotations

import contextlib
import ctypes
import resource
from typing import Final

from sqlfs.crypto import protect_process
from sqlfs.limits import MIB

OPEN_FILES_MAX: Final = 65_536

# <malloc.h>, and bytes.  By default a buffer of a chunk's size goes back to the kernel when it is
# freed, and each of its pages is cleared anew when the next one is written to.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_KEPT_BYTES_MAX: Final = 16 * MIB
_FROM_HEAP_BYTES_MAX: Final = 4 * MIB


def settle() -> None:
    """Keep secrets out of core dumps, allow for many open files, and use buffers again."""
    protect_process()
    _raise_open_files()
    _keep_buffers()


def _raise_open_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES_MAX)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _keep_buffers() -> None:
    with contextlib.suppress(AttributeError):  # it is the GNU C library's
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _FROM_HEAP_BYTES_MAX)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES_MAX)
