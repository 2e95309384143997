"""``sqlfs check``: is the file sound?"""

from __future__ import annotations

import argparse

from sqlfs.cli import findings, output, repairing
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
from sqlfs.errors import UsageError


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target_arguments(parser)
    parser.add_argument("--deep", action="store_true", help="read all content, too")
    parser.add_argument(
        "--repair", action="store_true", help="say what can be done about it, ask, and do it"
    )
    parser.add_argument("--yes", action="store_true", help="with --repair: do not ask")
    parser.add_argument(
        "--no-backup", action="store_true", help="with --repair: make no copy of FILE first"
    )
    add_json_option(parser)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.repair:
        return repairing.run(arguments)
    if arguments.yes or arguments.no_backup:
        raise UsageError("--yes and --no-backup go with --repair")
    path, named = split_target(arguments.file, arguments.volume)
    with (
        opened_file(path, write=False, accept_state=arguments.accept_state) as store,
        unlocked(store, named, arguments),
    ):
        locked = locked_volumes(store)
        with StepProgress() as progress:
            found = store.check(deep=arguments.deep, progress=progress)
    if arguments.json:
        output.document(
            {"sound": not found, "locked_volumes": locked, "findings": findings.fields(found)}
        )
    else:
        findings.show(found)
        findings.tell_locked(locked)
        output.line(findings.counted(found))
    return Exit.DAMAGED if found else Exit.OK


COMMAND = Command(
    "check",
    "sqlfs check --deep photos.sqlite",
    _add_arguments,
    _run,
    """\
Plain volumes are checked whole, encrypted ones if they are unlocked: by a mount, or here by
--volume or a passphrase option. Others go on meanwhile; where what they change leaves no
telling, nothing is said.

--repair works on a file that nobody uses. It first says what it would do, changing nothing, and
asks, or with --yes goes on: it copies FILE to FILE.before-repair-1, and does all or nothing. What
has lost its name or its directory is in /lost+found then. Damaged content can't be brought
back: its file keeps all that is intact, and reading the rest stays an error.

JSON fields:
  sound            true or false
  locked_volumes   names of those that were not checked whole
  findings         a list of check (the invariant), what (is affected), message
With --repair, sound is as it is afterwards, and there are also:
  repaired         true or false
  backup           the path of the copy, or null
  repairs          what was done, or would be; as findings
  remaining        the findings that stay""",
)
