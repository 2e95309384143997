"""What a repair makes of a mutant that opens: a check finds but what was said to remain then,
and what could be read before can be read still."""

from __future__ import annotations

from typing import Final

from sqlfs.errors import SqlfsError
from sqlfs.maintenance import check_file
from sqlfs.maintenance.repair import repair_file
from sqlfs.volume import VolumeFile
from tests.fuzz.mutants import Mutant
from tests.fuzz.specimens import VOLUME
from tests.fuzz.trees import Tree, look, wrong

# What no repair can bring back.
_HOPELESS: Final = frozenset(("content", "volume_unreadable", "volume_incomplete"))


def try_repair(mutant: Mutant, told: list[str], problems: list[str]) -> None:
    """Adds to what was told, and to the problems."""
    passphrase = mutant.specimen.kind.passphrase
    keys = {VOLUME: passphrase} if passphrase else {}
    try:
        before = _seen(mutant, accept_state=True)
        repair = repair_file(mutant.path, lambda _: keys, deep=True, apply=True, accept_state=True)
        found, after = _seen(mutant, accept_state=False)
    except SqlfsError as error:
        told.append(f"repair: {type(error).__name__}: {error.message}")
        return
    told += [f"repaired: {each.check}: {each.what}: {each.message}" for each in repair.done]
    remaining = {(each.check, each.what) for each in repair.remaining}
    if found != remaining:
        problems.append(f"after the repair {sorted(found ^ remaining)} is told, or not any more")
    if not repair.locked and not {check for check, _ in remaining} <= _HOPELESS:
        problems.append(f"not repaired: {sorted(remaining)}")
    if not mutant.forged:
        lost = [line for line in wrong(_readable(before[1]), [after]) if "damaged" not in line]
        problems += [f"before the repair, {line}" for line in lost]


def _seen(mutant: Mutant, *, accept_state: bool) -> tuple[set[tuple[str, str]], Tree]:
    with VolumeFile.open(mutant.path, background=False, accept_state=accept_state) as file:
        session = file.session(VOLUME, passphrase=mutant.specimen.kind.passphrase, atime=False)
        found = check_file(file, deep=True)
        return {(each.check, each.what) for each in found}, look(session)


def _readable(tree: Tree) -> Tree:
    return Tree({path: seen for path, seen in tree.seen.items() if seen.fixed is not None})
