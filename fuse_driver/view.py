"""What a mount shows in place of what is stored: options `uid`, `gid` and `umask`.

They are for volumes whose owners mean nothing on this machine.  As on file systems that know no
owners, what is overridden can't be changed: setting it to what is shown already succeeds, so that
programs which restore it go on, and anything else is not permitted.
"""

from __future__ import annotations

import errno
import stat
from dataclasses import dataclass

from fuse_driver.kernel.errors import Fault
from sqlfs.types import AttributeChanges, Attributes, Caller


@dataclass(frozen=True, slots=True)
class View:
    """Owner, group and permissions of every node; what is None is shown as it is stored.

    `umask` has the permission bits that are not shown, 0777 at most.  Set-id bits, the sticky bit
    and ACLs are not shown with it either.
    """

    uid: int | None = None
    gid: int | None = None
    umask: int | None = None

    @property
    def hides_acls(self) -> bool:
        return self.umask is not None

    def shown(self, stored: Attributes) -> Attributes:
        return stored._replace(
            uid=stored.uid if self.uid is None else self.uid,
            gid=stored.gid if self.gid is None else self.gid,
            mode=self._mode(stored.mode),
        )

    def _mode(self, stored: int) -> int:
        # Nothing asks for the permissions of a symlink, and programs expect all of them.
        if self.umask is None or stat.S_ISLNK(stored):
            return stored
        return stat.S_IFMT(stored) | 0o777 & ~self.umask

    def maker(self, caller: Caller) -> Caller:
        """Who is to own what `caller` makes: its stored owner is the one that is shown."""
        return caller._replace(
            uid=caller.uid if self.uid is None else self.uid,
            gid=caller.gid if self.gid is None else self.gid,
        )

    def stored(self, changes: AttributeChanges) -> AttributeChanges:
        """What remains of `changes` to be stored.  Raises Fault (EPERM) for what is overridden."""
        mode = None if self.umask is None else 0o777 & ~self.umask
        for wanted, is_shown in (
            (changes.uid, self.uid),
            (changes.gid, self.gid),
            (changes.mode, mode),
        ):
            if is_shown is not None and wanted not in (None, is_shown):
                raise Fault(errno.EPERM)
        return changes._replace(
            uid=changes.uid if self.uid is None else None,
            gid=changes.gid if self.gid is None else None,
            mode=changes.mode if mode is None else None,
        )
