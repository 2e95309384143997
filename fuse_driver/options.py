"""The mount options of `-o`, as mount(8) and fstab(5) know them."""

from __future__ import annotations

import grp
import os
import pwd
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fuse_driver.kernel.attach import MOUNT_FLAGS, Attachment
from fuse_driver.view import View
from sqlfs.errors import UsageError

# Words of MOUNT_FLAGS and their opposites, the later one counting.
PAIRS: Final = {
    "ro": "rw",
    "sync": "async",
    "nodev": "dev",
    "nosuid": "suid",
    "noexec": "exec",
    "noatime": "atime",
    "nosymfollow": "symfollow",
}

# The default, or the business of mount(8) and of boot scripts.
IGNORED: Final = frozenset(
    {
        "_netdev", "auto", "defaults", "group", "iversion", "lazytime", "loud", "noauto", "nofail",
        "nogroup", "noiversion", "nolazytime", "nomand", "noowner", "norelatime", "nostrictatime",
        "nouser", "nousers", "owner", "relatime", "silent", "user", "users",
    }
)  # fmt: skip
IGNORED_PREFIXES: Final = ("x-", "X-", "comment=", "user=")

# What people bring along from other FUSE file systems: granted whether it is said or not, as
# permissions are always checked and what the kernel keeps is always right, or of no effect.
FUSE_IGNORED: Final = frozenset(
    {
        "async_read", "auto_cache", "big_writes", "clone_fd", "default_permissions", "hard_remove",
        "kernel_cache", "large_read", "noauto_cache", "noforget", "readdir_ino", "use_ino",
    }
)  # fmt: skip
FUSE_IGNORED_VALUES: Final = frozenset(
    {
        "ac_attr_timeout", "attr_timeout", "congestion_threshold", "entry_timeout",
        "max_background", "max_read", "max_readahead", "max_write", "negative_timeout", "remember",
    }
)  # fmt: skip

# What the kernel lists of a mount, and mount(8) therefore says again when it remounts.
_LISTED: Final = frozenset({"blksize", "group_id", "user_id"})

_LABELS: Final = "labels of SELinux cannot be set for a mount"
_OWN: Final = "sqlfs-mount sees to that itself"
REFUSED: Final = {
    "allow_root": "say allow_other",
    "blkdev": "a volume is a file, not a block device",
    "context": _LABELS,
    "defcontext": _LABELS,
    "direct_io": "reading and writing through the kernel's cache cannot be told from it",
    "dmask": "say umask",
    "fd": _OWN,
    "fmask": "say umask",
    "fscontext": _LABELS,
    "group_id": _OWN,
    "mand": "the kernel has no mandatory locks any more",
    "rootcontext": _LABELS,
    "rootmode": _OWN,
    "strictatime": "access times are kept as relatime does, or with noatime not at all",
    "subtype": _OWN,
    "user_id": _OWN,
    "writeback_cache": "other users of the file would see old sizes",
}

_BETWEEN_OPTIONS: Final = re.compile(r"(?<!\\),")
_OCTAL: Final = re.compile(r"[0-7]{1,4}")
_ID_MAX: Final = 2**32 - 2


@dataclass(slots=True)
class MountOptions:
    """What `-o` asks for.  `flags`: words of MOUNT_FLAGS, on or off as they were said last."""

    flags: dict[str, bool] = field(default_factory=dict)
    remount: bool = False
    nonempty: bool = False
    allow_other: bool = field(default_factory=lambda: os.geteuid() == 0)
    auto_unmount: bool = False
    fsname: str | None = None
    volume: str | None = None
    subdir: str | None = None
    passphrase_file: Path | None = None
    passphrase_env: str | None = None
    log: Path | None = None
    uid: int | None = None
    gid: int | None = None
    umask: int | None = None

    @property
    def read_only(self) -> bool:
        return self.flags.get("ro", False)

    @property
    def makes_volumes(self) -> bool:
        """Whether a file or volume that does not exist is made: a new one has no directory."""
        return not (self.read_only or self.subdir)

    @property
    def synchronous(self) -> bool:
        return self.flags.get("sync", False)

    @property
    def synchronous_names(self) -> bool:
        return self.flags.get("dirsync", False)

    @property
    def keeps_atime(self) -> bool:
        return not self.flags.get("noatime", False)

    @property
    def view(self) -> View | None:
        """None where all is shown as it is stored."""
        view = View(self.uid, self.gid, self.umask)
        return None if view == View() else view

    def attachment(self, file: Path, *, read_only: bool) -> Attachment:
        """How the kernel is to show the mount of `file`."""
        # A mount neither runs programs set-user-id nor opens devices unless it is asked to.
        flags = self.flags_over({"nodev", "nosuid"})
        return Attachment(
            source=self.fsname or str(file),
            flags=flags | {"ro"} if read_only else flags,
            allow_other=self.allow_other,
        )

    def flags_over(self, before: Iterable[str]) -> frozenset[str]:
        """The words of MOUNT_FLAGS that are on, `before` being those where nothing is said."""
        flags = {word: True for word in before if word in MOUNT_FLAGS} | self.flags
        return frozenset(word for word, is_on in flags.items() if is_on)


def parse(texts: Iterable[str], *, sloppy: bool = False) -> MountOptions:
    """Read the arguments of all `-o`.  Raises UsageError for what is not known, unless `sloppy`,
    and for what is known and not supported."""
    said = [
        option.replace("\\,", ",")
        for text in texts
        for option in _BETWEEN_OPTIONS.split(text)
        if option
    ]
    options = MountOptions(remount="remount" in said)
    for option in said:
        if not _apply(options, option) and not sloppy:
            raise UsageError(f"unknown mount option {option!r}: see sqlfs-mount --help")
    if options.flags.get("nodiratime") and options.keeps_atime:
        raise UsageError(
            "mount option 'nodiratime' is not supported alone: say noatime for no access times"
        )
    return options


def _apply(options: MountOptions, option: str) -> bool:
    """Whether the option is known."""
    name, equals, value = option.partition("=")
    if not equals and name in WORDS:
        WORDS[name](options)
        return True
    if equals and value and name in VALUES:
        try:
            VALUES[name](options, value)
        except ValueError as error:
            raise UsageError(f"mount option {option!r}: {error}") from None
        return True
    if options.remount and name in _LISTED:
        return True
    if name in REFUSED:
        raise UsageError(f"mount option {option!r} is not supported: {REFUSED[name]}")
    return (
        option in IGNORED | FUSE_IGNORED
        or option.startswith(IGNORED_PREFIXES)
        or bool(value and name in FUSE_IGNORED_VALUES)
    )


def _flag(word: str, *, is_on: bool) -> Callable[[MountOptions], None]:
    def apply(options: MountOptions) -> None:
        options.flags[word] = is_on

    return apply


def _setting(name: str) -> Callable[[MountOptions], None]:
    return lambda options: setattr(options, name, True)


def _kept(name: str, read: Callable[[str], object]) -> Callable[[MountOptions, str], None]:
    return lambda options, value: setattr(options, name, read(value))


def _user(value: str) -> int:
    return _id(value, "user", lambda: pwd.getpwnam(value).pw_uid)


def _group(value: str) -> int:
    return _id(value, "group", lambda: grp.getgrnam(value).gr_gid)


def _id(value: str, kind: str, find: Callable[[], int]) -> int:
    if value.isascii() and value.isdecimal():
        if int(value) <= _ID_MAX:
            return int(value)
        raise ValueError(f"the id of a {kind} is {_ID_MAX} at most")
    try:
        return find()
    except KeyError:
        raise ValueError(f"there is no {kind} {value!r}") from None


def _mask(value: str) -> int:
    if _OCTAL.fullmatch(value) and int(value, 8) <= 0o777:
        return int(value, 8)
    raise ValueError("a umask is octal, 0777 at most")


# What an option does that is a word alone.
WORDS: Final[dict[str, Callable[[MountOptions], None]]] = {
    **{on: _flag(on, is_on=True) for on in (*PAIRS, "dirsync", "nodiratime")},
    **{off: _flag(on, is_on=False) for on, off in PAIRS.items()},
    "diratime": _flag("nodiratime", is_on=False),
    "allow_other": _setting("allow_other"),
    "auto_unmount": _setting("auto_unmount"),
    "nonempty": _setting("nonempty"),
    "remount": _setting("remount"),
}
# And one with a value.  What reads it raises ValueError.
VALUES: Final[dict[str, Callable[[MountOptions, str], None]]] = {
    "fsname": _kept("fsname", str),
    "gid": _kept("gid", _group),
    "log": _kept("log", Path),
    "passphrase-env": _kept("passphrase_env", str),
    "passphrase-file": _kept("passphrase_file", Path),
    "subdir": _kept("subdir", str),
    "uid": _kept("uid", _user),
    "umask": _kept("umask", _mask),
    "volume": _kept("volume", str),
}
