"""``sqlfs backup``: a copy of a file in use, as of one moment, verified."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

from sqlfs.cli import output
from sqlfs.cli.command import Command, add_json_option
from sqlfs.cli.progress import TransferProgress
from sqlfs.cli.steps import StepProgress
from sqlfs.cli.target import add_file_argument, opened_file
from sqlfs.errors import UsageError
from sqlfs.limits import MIB
from sqlfs.maintenance import Backup

STREAM = "-"


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_file_argument(parser)
    add = parser.add_argument
    add("destination", metavar="DEST", help="the backup's own path; - is standard output")
    add("--force", action="store_true", help="replace what is at DEST, once the backup is whole")
    add("--compact", action="store_true", help="leave out free pages, and fill the others")
    add_json_option(parser)


def _write(arguments: argparse.Namespace) -> Backup:
    with (
        opened_file(
            Path(arguments.file), write=False, accept_state=arguments.accept_state
        ) as store,
        TransferProgress("back up") as copied,
        StepProgress() as steps,
    ):

        def compacted(done: int, total: int) -> None:
            copied.finish()
            steps("compact, MiB", done // MIB, total // MIB)

        def verified(done: int, total: int) -> None:
            copied.finish()
            steps("verify", done, total)

        return store.backup(
            arguments.destination,
            overwrite=arguments.force,
            compact=arguments.compact,
            copied=copied.reach,
            compacted=compacted,
            verified=verified,
        )


def _stream(arguments: argparse.Namespace) -> None:
    with (
        opened_file(
            Path(arguments.file), write=False, accept_state=arguments.accept_state
        ) as store,
        contextlib.closing(store.image()) as image,
        TransferProgress("back up", lambda: image.size) as progress,
    ):
        while piece := image.read():
            output.data(piece)
            progress.advance(len(piece))


def _run(arguments: argparse.Namespace) -> int:
    if arguments.destination != STREAM:
        made = _write(arguments)
        if arguments.json:
            fields = {"path": str(made.path), "bytes": made.bytes, "state_ns": made.state_ns}
            output.document(fields)
        return 0
    if arguments.json or arguments.compact or arguments.force:
        raise UsageError("--json, --compact and --force need a path; - is standard output")
    if sys.stdout is None or sys.stdout.isatty():
        raise UsageError("a backup is not for a terminal; name a path, or pipe it to a program")
    _stream(arguments)
    return 0


COMMAND = Command(
    "backup",
    "sqlfs backup photos.sqlite /mnt/disk/photos.sqlite",
    _add_arguments,
    _run,
    """\
The backup holds all that was done before it began; others go on meanwhile.  It needs no passphrase,
and is a volume file like any other: restoring is using it, or a copy of it.  It is verified before
it takes its name, and DEST is whole or as it was.  What goes to standard output is verified when it
is first opened.

JSON fields:
  path       of the backup
  bytes      its size
  state_ns   when the last change in it was made, in ns since the epoch""",
)
