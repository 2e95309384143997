"""The mount options of `-o`, as mount(8) and fstab(5) know them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fuse_driver.kernel.attach import MOUNT_FLAGS, Attachment
from sqlfs.errors import UsageError

# Passed on to the kernel, the later one of each pair counting.
_PAIRS: Final = frozenset({"dev", "suid", "exec", "atime"})

# The default, or the business of mount(8) and of boot scripts.
_IGNORED: Final = frozenset(
    {
        "_netdev",
        "auto",
        "default_permissions",
        "defaults",
        "diratime",
        "group",
        "noauto",
        "nodiratime",
        "nofail",
        "nogroup",
        "noowner",
        "nouser",
        "nousers",
        "owner",
        "relatime",
        "user",
        "users",
    }
)
_IGNORED_PREFIXES: Final = ("x-", "X-", "comment=", "user=")

_BETWEEN_OPTIONS: Final = re.compile(r"(?<!\\),")


@dataclass(slots=True)
class MountOptions:
    """What `-o` asks for."""

    read_only: bool = False
    synchronous: bool = False
    nonempty: bool = False
    allow_other: bool = field(default_factory=lambda: os.geteuid() == 0)
    fsname: str | None = None
    volume: str | None = None
    passphrase_file: Path | None = None
    passphrase_env: str | None = None
    log: Path | None = None
    pairs: dict[str, str] = field(default_factory=dict)

    @property
    def keeps_atime(self) -> bool:
        return self.pairs.get("atime") != "noatime"

    def attachment(self, file: Path, *, read_only: bool) -> Attachment:
        """How the kernel is to show the mount of `file`."""
        # A mount neither runs programs set-user-id nor opens devices unless it is asked to.
        given = {"dev": "nodev", "suid": "nosuid", **self.pairs}
        flags = {word for word in given.values() if word in MOUNT_FLAGS}
        if read_only:
            flags.add("ro")
        if self.synchronous:
            flags.add("sync")
        return Attachment(
            source=self.fsname or str(file),
            flags=frozenset(flags),
            allow_other=self.allow_other,
        )


def parse(texts: Iterable[str]) -> MountOptions:
    """Read the arguments of all `-o`.  Raises UsageError for what is not known."""
    options = MountOptions()
    for text in texts:
        for option in _BETWEEN_OPTIONS.split(text):
            if option:
                _apply(options, option.replace("\\,", ","))
    return options


def _apply(options: MountOptions, option: str) -> None:
    match option.partition("="):
        case ("ro" | "rw", "", _):
            options.read_only = option == "ro"
        case ("sync" | "async", "", _):
            options.synchronous = option == "sync"
        case ("nonempty", "", _):
            options.nonempty = True
        case ("allow_other", "", _):
            options.allow_other = True
        case ("fsname", "=", value) if value:
            options.fsname = value
        case ("volume", "=", value) if value:
            options.volume = value
        case ("passphrase-file", "=", value) if value:
            options.passphrase_file = Path(value)
        case ("passphrase-env", "=", value) if value:
            options.passphrase_env = value
        case ("log", "=", value) if value:
            options.log = Path(value)
        case (name, "", _) if name.removeprefix("no") in _PAIRS:
            options.pairs[name.removeprefix("no")] = name
        case _ if option in _IGNORED or option.startswith(_IGNORED_PREFIXES):
            pass
        case _:
            raise UsageError(f"unknown mount option {option!r}: see sqlfs-mount --help")
