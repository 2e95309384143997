"""The command mount.sqlfs: sqlfs-mount as mount(8) calls the helper of a file system type.

It is for mount(8) alone, which looks for it in /sbin, so that `mount -t sqlfs` and lines of
fstab(5) work.  What is different: the command line, the defaults, which mount(8) has made its
users expect and does not pass on, and the exit code.
"""

from __future__ import annotations

import argparse
import sys
from typing import Final

from fuse_driver import mount
from fuse_driver.arguments import OneLineParser
from sqlfs.cli.exits import Exit
from sqlfs.errors import UsageError

# mount(8) leaves out what is the default, even when it is said.
DEFAULTS: Final = "rw,suid,dev,exec,async,atime,symfollow"

# Exit codes of mount(8).
SUCCESS: Final = 0
WRONG_CALL: Final = 1
INTERRUPTED: Final = 8
FAILURE: Final = 32
_CODES: Final = {
    Exit.OK: SUCCESS,
    Exit.USAGE: WRONG_CALL,
    Exit.DENIED: WRONG_CALL,
    Exit.INTERRUPTED: INTERRUPTED,
}


def run() -> None:
    """The console entry point."""
    sys.exit(main(sys.argv[1:]))


def main(argv: list[str]) -> int:
    """Mount as mount(8) asks in `argv`; the exit code is one of its own."""
    try:
        given = _parser().parse_args(argv)
    except UsageError as error:
        mount.say(error.message)
        return WRONG_CALL
    words = [given.source, given.directory, "-o", DEFAULTS]
    for text in given.o:
        words += ["-o", text]
    code = mount.main(words, sloppy=given.s, fake=given.f)
    return _CODES.get(Exit(code), FAILURE)


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog="mount.sqlfs", allow_abbrev=False, description=__doc__)
    parser.add_argument("source", metavar="FILE[:VOLUME]")
    parser.add_argument("directory", metavar="DIR")
    parser.add_argument("-o", metavar="OPT,...", action="append", default=[], help="as sqlfs-mount")
    parser.add_argument("-s", action="store_true", help="tolerate unknown mount options")
    parser.add_argument("-f", action="store_true", help="check the command line, and do nothing")
    for ignored in ("-n", "-v"):
        parser.add_argument(ignored, action="store_true", help=argparse.SUPPRESS)
    for ignored in ("-t", "-N"):
        parser.add_argument(ignored, help=argparse.SUPPRESS)
    return parser
