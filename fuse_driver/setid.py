"""Set-user-id and set-group-id bits, which a change of owner or content takes away.

The kernel leaves this to the file system, and says when it is due (FUSE_HANDLE_KILLPRIV_V2).
"""

from __future__ import annotations

import stat

from sqlfs.types import Attributes


def has_setid(attributes: Attributes) -> bool:
    """Whether a change of content is to take bits away."""
    return attributes.is_file and without_setid(attributes.mode) != stat.S_IMODE(attributes.mode)


def without_setid(mode: int) -> int:
    """The permission bits that remain.  Without group execution, S_ISGID is no privilege."""
    mode = stat.S_IMODE(mode) & ~stat.S_ISUID
    return mode & ~stat.S_ISGID if mode & stat.S_IXGRP else mode
