"""``sqlfs check``: is the file sound?"""

from __future__ import annotations

import argparse

from sqlfs.cli import output
from sqlfs.cli.command import Command, add_json_option
from sqlfs.cli.exits import Exit
from sqlfs.cli.steps import StepProgress
from sqlfs.cli.target import (
    add_target_arguments,
    locked_volumes,
    opened_file,
    split_target,
    unlocked,
)
from sqlfs.maintenance import Finding


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target_arguments(parser)
    parser.add_argument("--deep", action="store_true", help="read all content, too")
    add_json_option(parser)


def _fields(findings: list[Finding], locked: list[str]) -> dict[str, object]:
    return {
        "sound": not findings,
        "locked_volumes": locked,
        "findings": [
            {"check": finding.check, "what": finding.what, "message": finding.message}
            for finding in findings
        ],
    }


def _print(findings: list[Finding], locked: list[str]) -> None:
    for finding in findings:
        output.line(f"{finding.what}: {finding.message} [{finding.check}]")
    for name in locked:
        output.complaint(
            f"volume {name!r} is locked: of it only what needs no key was checked;"
            " give its passphrase"
        )
    output.line(f"{len(findings) or 'no'} finding{'' if len(findings) == 1 else 's'}")


def _run(arguments: argparse.Namespace) -> int:
    path, named = split_target(arguments.file, arguments.volume)
    with (
        opened_file(path, write=False, accept_state=arguments.accept_state) as store,
        unlocked(store, named, arguments),
    ):
        locked = locked_volumes(store)
        with StepProgress() as progress:
            findings = store.check(deep=arguments.deep, progress=progress)
    if arguments.json:
        output.document(_fields(findings, locked))
    else:
        _print(findings, locked)
    return Exit.DAMAGED if findings else Exit.OK


COMMAND = Command(
    "check",
    "sqlfs check --deep photos.sqlite",
    _add_arguments,
    _run,
    """\
Plain volumes are checked whole, encrypted ones if they are unlocked: by a mount, or here by
--volume or a passphrase option. Others go on meanwhile; where what they change leaves no
telling, nothing is said.

JSON fields:
  sound            true or false
  locked_volumes   names of those that were not checked whole
  findings         a list of check (the invariant), what (is affected), message""",
)
