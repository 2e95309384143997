"""The command line of sqlfs-mount."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import sqlfs
from fuse_driver import options
from fuse_driver.options import MountOptions
from sqlfs.cli.secrets import PassphraseSource, add_passphrase_options, passphrase_source
from sqlfs.errors import UsageError

EPILOG = """\
mount options (-o, separated by commas):
  ro, rw                read-only, read-write
  sync, async           make every change durable before it is answered, or not
  dirsync               make changes of directories durable before they are answered
  atime, noatime        keep access times as relatime does, or not
  diratime, nodiratime  with noatime only, which says it already
  dev, nodev, suid, nosuid, exec, noexec, symfollow, nosymfollow
                        as in mount(8); nodev and nosuid unless mount(8) is the caller
  allow_other           let other users in (given when root mounts)
  uid=U, gid=G          show everything as this user's and this group's (names or numbers)
  umask=M               show everything with the permissions that are not in M (octal)
  subdir=PATH           show the directory PATH of the volume as the root
  fsname=NAME           what the list of mounts shows (default: FILE)
  nonempty              mount on a directory that is not empty
  auto_unmount          take the mount off when its process dies
  remount               give the mount on DIR other flags of mount(8): ro, rw, nosuid, ...
  volume=V, passphrase-file=F, passphrase-env=VAR, log=FILE
                        as the options above
Options for mount(8) and boot scripts (defaults, noauto, nofail, _netdev, user, x-..., ...) and
those that tune other FUSE file systems (max_read=, attr_timeout=, kernel_cache, ...) are accepted
and change nothing.

exit codes: 0 mounted, 1 failed, 2 usage, 3 not found, 4 wrong passphrase or no permission,
            5 damaged, 6 in use, 7 not a volume file or an unsupported format
"""


@dataclass(frozen=True, slots=True)
class Arguments:
    """What to mount, where and how.  Paths are absolute but for the mountpoint."""

    file: Path
    volume: str | None
    directory: Path
    options: MountOptions
    foreground: bool
    encrypt: bool
    accept_state: bool
    passphrase: PassphraseSource
    log: Path | None


class OneLineParser(argparse.ArgumentParser):
    """Whose errors are raised, as UsageError."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}: see {self.prog} --help")


def parse(argv: Sequence[str], *, sloppy: bool = False) -> Arguments:
    """Read the command line, without the program's name.  `sloppy`: mount options that nobody
    knows are no error.  Raises UsageError."""
    given = _parser().parse_args(argv)
    mount_options = options.parse(given.o, sloppy=sloppy)
    file, volume = split_source(given.source, given.volume or mount_options.volume)
    passphrase = passphrase_source(given)
    if not passphrase.is_given:
        passphrase = replace(
            passphrase,
            file=mount_options.passphrase_file,
            environment=mount_options.passphrase_env,
        )
    log = given.log or mount_options.log
    return Arguments(
        file=file,
        volume=volume,
        directory=given.directory,
        options=mount_options,
        foreground=given.foreground,
        encrypt=given.encrypt,
        accept_state=given.accept_state,
        passphrase=passphrase,
        log=log.absolute() if log else None,
    )


def split_source(source: str, volume: str | None) -> tuple[Path, str | None]:
    """FILE[:VOLUME] as an absolute path and a volume's name.

    With `volume` given otherwise, `source` is a path as a whole, and so is one that exists.
    """
    if volume is None and not os.path.lexists(source):
        file, _, named = source.rpartition(":")
        if file and named:
            source, volume = file, named
    return Path(source).absolute(), volume


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="sqlfs-mount",
        description="Mount a volume of FILE on the directory DIR; both FILE and the volume are "
        "made when they do not exist.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("source", metavar="FILE[:VOLUME]")
    add("directory", metavar="DIR", type=Path)
    add("-o", metavar="OPT,...", action="append", default=[], help="mount options, see below")
    add("-f", dest="foreground", action="store_true", help="stay in the foreground")
    add("--volume", metavar="V", help="the volume's name, if FILE holds several")
    add("--encrypt", action="store_true", help="make the new volume an encrypted one")
    add_passphrase_options(parser)
    add("--log", metavar="FILE", type=Path, help="log to FILE instead of syslog")
    add(
        "--accept-state",
        action="store_true",
        help="go on although FILE's log is missing or damaged",
    )
    add("--version", action="version", version=f"sqlfs-mount {sqlfs.__version__}")
    return parser
