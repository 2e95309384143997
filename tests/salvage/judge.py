"""One mutant's salvage: what comes out is what once was, or nothing comes out for a reason."""

from __future__ import annotations

import shutil
from typing import Final

from sqlfs.errors import SqlfsError
from tests.fuzz.judge import Verdict, nothing_unexpected
from tests.fuzz.mutants import Mutant
from tests.salvage.rescuing import Rescued, is_lost, problems, rescue

# Made and removed between two states that are known, and so found only where nothing tells what was
# deleted.
BETWEEN: Final = frozenset({b"/gone"})


def judge(mutant: Mutant) -> Verdict:
    """``outcome``: refused, equal (all that the last state had), told (something is lost), older
    (all of a state that was committed before), forged."""
    verdict = Verdict(mutant.name)
    to = mutant.path.with_name("salvaged")
    shutil.rmtree(to, ignore_errors=True)
    before = mutant.path.read_bytes()
    with nothing_unexpected(verdict):
        try:
            rescued = rescue(mutant.path, to, mutant.specimen.kind.passphrase)
        except SqlfsError as error:
            verdict.told.append(f"{type(error).__name__}: {error.message}")
        else:
            _compare(mutant, verdict, rescued)
    if mutant.path.read_bytes() != before:
        verdict.problems.append("the file was changed")
    verdict.problems += [f"not one line: {line!r}" for line in verdict.told if "\n" in line]
    return verdict


def _compare(mutant: Mutant, verdict: Verdict, rescued: Rescued) -> None:
    verdict.told += [f"{loss.path!r}: {loss.message}" for loss in rescued.losses]
    verdict.told += rescued.notices
    if mutant.forged:
        verdict.outcome = "forged"
        return
    seen = rescued.tree.seen
    rescued.tree.seen = {path: it for path, it in seen.items() if path not in BETWEEN}
    if rescued.notices:
        # What was deleted may be there, and in lost+found what was of such a file.
        rescued.tree.seen = {
            path: it for path, it in rescued.tree.seen.items() if not is_lost(path)
        }
    verdict.problems += problems(rescued, mutant.specimen.trees)
    full = mutant.specimen.trees[-1].seen.keys()
    verdict.outcome = "equal" if full <= rescued.whole else "told"
    if full - rescued.tree.seen.keys() and not rescued.losses:
        # The end of a log that is cut off is not missed.
        states = mutant.specimen.trees if mutant.specimen.kind.log else mutant.specimen.trees[-1:]
        verdict.outcome = "older"
        if all(state.seen.keys() - rescued.tree.seen.keys() for state in states):
            verdict.problems.append(f"not there, and nothing said of it: {full - seen.keys()}")
