"""``sqlfs check``: is the file sound?"""

from __future__ import annotations

import argparse
from contextlib import ExitStack

from sqlfs.cli import output
from sqlfs.cli.command import Command, add_json_option
from sqlfs.cli.exits import Exit
from sqlfs.cli.secrets import passphrase_source
from sqlfs.cli.target import (
    DOOR,
    add_target_arguments,
    chosen_volume,
    opened_file,
    passphrase_of,
    split_target,
)
from sqlfs.maintenance import Finding
from sqlfs.owner import Store


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target_arguments(parser)
    parser.add_argument("--deep", action="store_true", help="read all content, too")
    add_json_option(parser)


def _unlock(store: Store, named: str | None, arguments: argparse.Namespace) -> ExitStack:
    """Hold open the volume that a passphrase is given for: the check sees what is unlocked."""
    held = ExitStack()
    volumes = store.volumes()
    if named is not None or (passphrase_source(arguments).is_given and volumes):
        volume = chosen_volume(store, named)
        passphrase = passphrase_of(volume, arguments)
        held.enter_context(store.mount(volume.name, passphrase, read_only=True, door=DOOR))
    return held


def _locked(store: Store) -> list[str]:
    unlocked = {mount.volume for mount in store.mounts()}
    return [
        volume.name
        for volume in store.volumes()
        if volume.encrypted and volume.name not in unlocked
    ]


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
        _unlock(store, named, arguments),
    ):
        locked = _locked(store)
        findings = store.check(deep=arguments.deep)
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
--volume or a passphrase option.  Changes by others wait meanwhile.

JSON fields:
  sound            true or false
  locked_volumes   names of those that were not checked whole
  findings         a list of check (the invariant), what (is affected), message""",
)
