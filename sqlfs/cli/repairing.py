"""``sqlfs check --repair``: says what it would do, asks, makes a copy of the file, and does it."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlfs.cli import findings, output
from sqlfs.cli.exits import Exit
from sqlfs.cli.steps import StepProgress
from sqlfs.cli.target import passphrase_of, split_target
from sqlfs.errors import NoSuchVolume, SqlfsError, UsageError
from sqlfs.maintenance import Passphrases, Repair, repair_file
from sqlfs.types import VolumeInfo


def run(arguments: argparse.Namespace) -> int:
    """The exit code."""
    path, named = split_target(arguments.file, arguments.volume)
    passphrases = _asked_once(arguments, named)
    planned = _repaired(path, arguments, passphrases, apply=False)
    for notice in planned.notices:
        output.complaint(notice)
    findings.tell_locked(planned.locked)
    if not arguments.json:
        _print_plan(planned)
    done, backup = None, None
    if planned.done and _agreed(path, arguments):
        backup = None if arguments.no_backup else _backup(path)
        done = _repaired(path, arguments, passphrases, apply=True)
    remaining = done.remaining if done else planned.found
    if arguments.json:
        output.document(_fields(planned, done, backup))
    elif done:
        _print_done(done, backup)
    return Exit.DAMAGED if remaining else Exit.OK


def _asked_once(arguments: argparse.Namespace, named: str | None) -> Passphrases:
    known: dict[str, bytes] = {}

    def passphrases(volumes: Sequence[VolumeInfo]) -> Mapping[str, bytes]:
        names = [volume.name for volume in volumes]
        if named is not None and named not in names:
            raise NoSuchVolume(f"{arguments.file} has no volume {named!r}")
        wanted = [each for each in volumes if each.encrypted and named in (None, each.name)]
        if len(wanted) > 1:
            told = ", ".join(repr(each.name) for each in wanted)
            raise UsageError(f"{arguments.file} has several encrypted volumes ({told}): --volume")
        for volume in wanted:
            if volume.name not in known:
                known[volume.name] = passphrase_of(volume, arguments) or b""
        return known

    return passphrases


def _repaired(
    path: Path, arguments: argparse.Namespace, passphrases: Passphrases, *, apply: bool
) -> Repair:
    with StepProgress() as progress:
        return repair_file(
            path, passphrases, deep=arguments.deep, apply=apply,
            accept_state=arguments.accept_state, progress=progress,
        )  # fmt: skip


def _print_plan(planned: Repair) -> None:
    findings.show(planned.found)
    output.line(findings.counted(planned.found))
    if planned.done:
        output.line("to be done:")
        findings.show(planned.done, "  ")
    if planned.found:
        _print_remaining(planned)


def _print_remaining(repair: Repair) -> None:
    if repair.remaining:
        output.line("what can't be repaired, and stays:")
        findings.show(repair.remaining, "  ")


def _print_done(done: Repair, backup: Path | None) -> None:
    output.line(f"done: {len(done.done)} repairs, {findings.counted(done.remaining)} left")
    if backup is not None:
        output.line(f"the file as it was: {backup}")


def _fields(planned: Repair, done: Repair | None, backup: Path | None) -> dict[str, object]:
    return {
        "sound": not (done.remaining if done else planned.found),
        "repaired": done is not None,
        "backup": os.fspath(backup) if backup else None,
        "locked_volumes": planned.locked,
        "findings": findings.fields(planned.found),
        "repairs": findings.fields((done or planned).done),
        "remaining": findings.fields((done or planned).remaining),
    }


def _agreed(path: Path, arguments: argparse.Namespace) -> bool:
    if arguments.yes:
        return True
    if arguments.json or not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        output.complaint("nothing was changed; --yes has it done")
        return False
    output.flush()
    print(f"Repair {path}? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    output.complaint("nothing was changed")
    return False


def _backup(path: Path) -> Path:
    """A plain copy beside the file, which nobody has open now."""
    copy = None
    try:
        number = 1
        while (wanted := path.with_name(f"{path.name}.before-repair-{number}")).exists():
            number += 1
        copy = wanted
        shutil.copy2(path, copy)
        with copy.open("rb") as stream:
            os.fsync(stream.fileno())
    except OSError as error:
        if copy is not None:
            copy.unlink(missing_ok=True)
        raise SqlfsError(
            f"no copy of {path} could be made ({error.strerror}), and nothing was changed;"
            " --no-backup goes on without one",
            errno_=error.errno,
        ) from error
    return copy
