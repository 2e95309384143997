"""``sqlfs scrub``: all content is read, in the background of a mount."""

from __future__ import annotations

import argparse
import dataclasses
import time
from contextlib import ExitStack
from typing import Final

from sqlfs.cli import findings, output
from sqlfs.cli.command import Command, add_json_option
from sqlfs.cli.exits import Exit
from sqlfs.cli.measures import short_size
from sqlfs.cli.steps import StepProgress
from sqlfs.cli.target import (
    add_target_arguments,
    locked_volumes,
    opened_file,
    split_target,
    unlocked,
)
from sqlfs.errors import UsageError
from sqlfs.limits import MIB
from sqlfs.maintenance import RATE_DEFAULT, ScrubStatus
from sqlfs.owner import Store

_LOOK_S: Final = 0.2
_RATE_MAX: Final = 1_000_000  # MiB per second


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target_arguments(parser)
    parser.add_argument(
        "--rate",
        metavar="MIB",
        type=int,
        default=RATE_DEFAULT // MIB,
        help="read at most so many MiB per second (default: %(default)s; 0: no limit)",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--status", action="store_true", help="only say how far it is")
    what.add_argument("--stop", action="store_true", help="stop it; the next one goes on there")
    what.add_argument("--wait", action="store_true", help="return when all has been read")
    add_json_option(parser)


def _scrub(store: Store, arguments: argparse.Namespace) -> ScrubStatus:
    if arguments.status:
        return store.scrub_status()
    if arguments.stop:
        return store.scrub_stop()
    status = store.scrub_start(arguments.rate * MIB)
    # With nobody else to do it, it is done here.
    if arguments.wait or store.is_owner:
        with StepProgress() as progress:
            while status.state == "running":
                progress("content", status.done, status.total)
                time.sleep(_LOOK_S)
                status = store.scrub_status()
    return status


def _fields(status: ScrubStatus) -> dict[str, object]:
    return dataclasses.asdict(status)


def _print(status: ScrubStatus) -> None:
    findings.show(status.findings)
    if status.state == "never":
        output.line("no scrub was begun since the file was opened")
        return
    output.line(
        f"{status.state}: {status.done} of {status.total} pieces, {short_size(status.bytes)};"
        f" {findings.counted(status.findings)}"
    )


def _run(arguments: argparse.Namespace) -> int:
    if not 0 <= arguments.rate <= _RATE_MAX:
        raise UsageError(f"a rate of {arguments.rate} MiB/s: give 0 to {_RATE_MAX}")
    path, named = split_target(arguments.file, arguments.volume)
    with ExitStack() as held:
        store = held.enter_context(
            opened_file(path, write=False, accept_state=arguments.accept_state)
        )
        held.enter_context(unlocked(store, named, arguments))
        if not (arguments.status or arguments.stop):
            for name in locked_volumes(store):
                output.complaint(f"volume {name!r} is locked, and not read; give its passphrase")
        status = _scrub(store, arguments)
    if arguments.json:
        output.document(_fields(status))
    else:
        _print(status)
    if status.findings:
        return Exit.DAMAGED
    return Exit.FAILED if status.state == "failed" else Exit.OK


COMMAND = Command(
    "scrub",
    "sqlfs scrub --rate 50 photos.sqlite",
    _add_arguments,
    _run,
    """\
Reads all content of the volumes that are unlocked, and says what is damaged. Where the file is
mounted, the mount does it in the background, its log tells what it finds, and the command
returns at once; where nobody uses the file, it is done when the command returns. Stopped, it
goes on where it was, as long as the file stays open.

JSON fields:
  state            "never" begun, "running", "stopped", "done" or "failed"
  done, total      pieces of content
  bytes, rate      bytes read, and the most per second (0: no limit)
  started_ns, ended_ns
                   ns since 1970, 0 if not yet
  findings         as of sqlfs check
The exit code is 5 if anything is damaged.""",
)
