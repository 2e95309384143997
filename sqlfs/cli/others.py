"""Others who use the file by way of this process, while it owns the file.

When an owner ends, so do its clients' sessions.  A command lives for a moment only, and may have
become the owner just because it came first.
"""

from __future__ import annotations

import time
from typing import Final

from sqlfs.cli.output import complaint
from sqlfs.owner import Store
from sqlfs.types import MountInfo

# Who only reads loses nothing but time; it may be a pager that waits for its user.
_READERS_S_MAX: Final = 5.0
_SAID_AFTER_S: Final = 1.0
_LOOK_S: Final = 0.02


def let_finish(store: Store) -> None:
    """Return when nobody writes by way of this process any more, and readers had some time.

    For a client of another process, at once.
    """
    started = time.monotonic()
    said = False
    while store.is_owner:
        waited = time.monotonic() - started
        users = [mount for mount in store.mounts() if not _may_be_left(mount, waited)]
        if not users:
            return
        if waited > _SAID_AFTER_S and not said:
            said = True
            complaint(
                f"done, but waiting for pid {users[0].pid}, which uses {store.path} by way of this"
                " process; Ctrl-C ends its work, too"
            )
        time.sleep(_LOOK_S)


def _may_be_left(mount: MountInfo, waited_s: float) -> bool:
    return mount.read_only and waited_s > _READERS_S_MAX
