"""Keeping key material inside the process that holds it."""

from __future__ import annotations

import ctypes
import os
import resource
from typing import Final

from sqlfs.errors import NotSupported

_PR_SET_DUMPABLE: Final = 4


def protect_process() -> None:
    """Leave no core dump, and keep other processes of the same user out of this one's memory.

    Call it before a passphrase is read and again after a fork followed by exec: exec resets it.
    Raises NotSupported when the kernel refuses.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = [ctypes.c_ulong(0)] * 4
    if libc.prctl(ctypes.c_int(_PR_SET_DUMPABLE), *arguments) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise NotSupported(f"core dumps of this process can't be forbidden: {reason}")
