"""One mutant's trial: whatever it holds, it is equal, or an error, or found to lack something."""

from __future__ import annotations

import logging
import os
import struct
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from sqlfs.errors import SqlfsError
from sqlfs.maintenance import check_file
from sqlfs.types import AttributeChanges
from sqlfs.volume import Session, VolumeFile
from tests.format import lineage
from tests.format.unsealing import Damaged
from tests.format.volumes import CHUNK, noise
from tests.fuzz.mutants import Mutant
from tests.fuzz.repairing import try_repair
from tests.fuzz.specimens import ME, VOLUME
from tests.fuzz.trees import Tree, absent, look, wrong

WRITTEN: Final = noise(CHUNK + 500)
CHANGED: Final = frozenset(
    (b"/made", b"/made/file", b"/fuzzed", b"/two chunks", b"/sparse", b"/manifests")
)


@dataclass
class Verdict:
    """``outcome``: refused, equal, told (errors, findings or a notice said what is lacking),
    older (a state that was committed before; only of a log in which nothing proves that more of it
    was durable), forged.  ``problems`` must be empty."""

    name: str
    outcome: str = "refused"
    problems: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)


def judge(mutant: Mutant) -> Verdict:
    verdict = Verdict(mutant.name)
    with nothing_unexpected(verdict):
        proven = _is_proven_damaged(mutant)
        first = _life(mutant, verdict, accept_state=mutant.accept_state, write=True)
        if first is not None:
            _compare(mutant, verdict, first, frozenset(), proven=proven)
            second = _life(mutant, verdict, accept_state=True, write=False)
            if second is not None:
                _compare(mutant, verdict, second, CHANGED, proven=proven)
            if mutant.is_repaired:
                try_repair(mutant, verdict.told, verdict.problems)
    verdict.problems += [line for line in verdict.told if "out of memory" in line.lower()]
    verdict.problems += [f"not one line: {line!r}" for line in verdict.told if "\n" in line]
    return verdict


@contextmanager
def nothing_unexpected(verdict: Verdict) -> Iterator[None]:
    """Tracebacks of every kind are problems: raised, logged, or of a thread."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info:
                verdict.problems.append(f"logged a traceback: {self.format(record)}")

    def of_thread(arguments: threading.ExceptHookArgs) -> None:
        lines = traceback.format_exception(arguments.exc_value)
        verdict.problems.append(f"a thread failed: {''.join(lines)}")

    def unraisable(arguments: sys.UnraisableHookArgs) -> None:
        lines = traceback.format_exception(arguments.exc_value)
        verdict.problems.append(f"unraisable: {''.join(lines)}")

    logging.getLogger().addHandler(Handler())
    threading.excepthook = of_thread
    sys.unraisablehook = unraisable
    try:
        yield
    except Exception:
        verdict.problems.append(traceback.format_exc())


def _life(mutant: Mutant, verdict: Verdict, *, accept_state: bool, write: bool) -> Tree | None:
    """Open, look at everything, check, write; what was seen, or None if it was refused."""
    try:
        file = VolumeFile.open(mutant.path, background=mutant.background, accept_state=accept_state)
    except SqlfsError as error:
        verdict.told.append(f"{type(error).__name__}: {error.message}")
        return None
    tree = Tree()
    try:
        with file:
            verdict.told += file.notices
            passphrase = mutant.specimen.kind.passphrase
            session = tree.attempt(lambda: file.session(VOLUME, passphrase=passphrase))
            if session is None:
                verdict.told += tree.errors
                return None
            tree = look(session)
            verdict.told += tree.errors
            found = tree.attempt(lambda: check_file(file, deep=True))
            verdict.told += [f"{each.check}: {each.what}: {each.message}" for each in found or ()]
            if write and not file.read_only:
                _write(session, verdict)
            elif not write:
                _read_back(session, verdict)
    except SqlfsError as error:  # of closing
        verdict.told.append(f"{type(error).__name__}: {error.message}")
    return tree


def _write(session: Session, verdict: Verdict) -> None:
    """Make, change, shorten and remove; each may fail, and what was made durable must stay."""
    tree, root = Tree(), session.root

    def make() -> None:
        _, handle = session.create(root, b"fuzzed", 0o644, os.O_RDWR, ME)
        session.write(handle, 0, WRITTEN)
        session.fsync(handle)
        if session.read(handle, 0, 2 * len(WRITTEN)) != WRITTEN:
            verdict.problems.append("what was written reads otherwise")
        session.release(handle)

    def overwrite() -> None:
        handle = session.open(session.lookup(root, b"two chunks").node, os.O_RDWR)
        session.write(handle, 50, WRITTEN)
        session.release(handle)

    def shorten() -> None:
        node = session.lookup(root, b"manifests").node
        session.setattr(node, AttributeChanges(size=9000))

    def move() -> None:
        made = session.mkdir(root, b"made", 0o755, ME)
        session.rename(root, b"fuzzed", made.node, b"file")

    for verb in (make, overwrite, shorten, lambda: session.unlink(root, b"sparse"), move,
                 session.sync):  # fmt: skip
        tree.attempt(verb)
    verdict.told += [f"writing: {line}" for line in tree.errors]


def _read_back(session: Session, verdict: Verdict) -> None:
    """What the first life made is whole, or an error; never something else."""
    tree = Tree()
    for path in (b"/fuzzed", b"/made/file"):

        def read(path: bytes = path) -> bytes:
            handle = session.open(session.resolve(path).node, os.O_RDONLY)
            try:
                return session.read(handle, 0, 2 * len(WRITTEN))
            finally:
                session.release(handle)

        found = tree.attempt(read)
        if found not in (None, WRITTEN) and WRITTEN[: len(found or b"")] != found:
            verdict.problems.append(f"{path!r} holds other bytes than were written")


def _is_proven_damaged(mutant: Mutant) -> bool:
    """Whether the log, read by the document alone, says that it lacks something durable."""
    log = mutant.path.with_name(mutant.path.name + "-wal")
    try:
        found = lineage.judge_log(mutant.path.read_bytes(), log.read_bytes())
    except (FileNotFoundError, Damaged, struct.error):
        return False
    return found in (lineage.Log.DAMAGED, lineage.Log.DAMAGED_COPIED)


def _compare(
    mutant: Mutant, verdict: Verdict, tree: Tree, changed: frozenset[bytes], *, proven: bool
) -> None:
    if mutant.forged:
        verdict.outcome = "forged"
        return
    states, full = mutant.specimen.trees, mutant.specimen.trees[-1]
    verdict.problems += wrong(tree, states if mutant.specimen.kind.log else [full], changed=changed)
    lacking = absent(tree, full, changed=changed)
    complete = not changed and any(_same(tree, state) for state in states)
    if verdict.told:
        verdict.outcome = "told"
    elif not lacking:
        verdict.outcome = "equal"
    elif (complete or changed) and not proven:
        verdict.outcome = "older"
    else:
        verdict.problems.append(f"nothing said that {', '.join(lacking[:5])} is missing")


def _same(tree: Tree, state: Tree) -> bool:
    return tree.seen.keys() == state.seen.keys() and not wrong(tree, [state])
