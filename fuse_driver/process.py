"""Settings of the process that serves a mount."""

from __future__ import annotations

import contextlib
import resource
from typing import Final

from sqlfs.crypto import protect_process

OPEN_FILES_MAX: Final = 65_536


def settle() -> None:
    """Keep secrets out of core dumps, and allow for many open files."""
    protect_process()
    _raise_open_files()


def _raise_open_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES_MAX)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
