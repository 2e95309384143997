"""Set-user-id and set-group-id bits, which a change of owner or content takes away.

The kernel leaves this to the file system.  For most requests it says when it is due
(FUSE_HANDLE_KILLPRIV_V2); which bits go is for us to know, and as everywhere in Linux.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Final

from sqlfs.types import Attributes, Caller

_BITS: Final = stat.S_ISUID | stat.S_ISGID


def has_setid(attributes: Attributes) -> bool:
    """Whether a change of content may have to take bits away."""
    return bool(attributes.mode & _BITS) and attributes.is_file


def without_setid(attributes: Attributes, caller: Caller) -> int:
    """The permission bits that remain after a change by `caller`.

    Without group execution S_ISGID is no privilege, and stays under the hands of root and of the
    file's group.
    """
    mode = stat.S_IMODE(attributes.mode) & ~stat.S_ISUID
    if mode & stat.S_IXGRP or not _is_member(caller, attributes.gid):
        mode &= ~stat.S_ISGID
    return mode


def _is_member(caller: Caller, gid: int) -> bool:
    if caller.uid == 0 or caller.gid == gid:
        return True
    try:
        status = Path(f"/proc/{caller.pid}/status").read_text("ascii", "replace")
    except OSError:
        return False
    groups = re.search(r"^Groups:(.*)$", status, re.MULTILINE)
    return groups is not None and str(gid) in groups[1].split()
