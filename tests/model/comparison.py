"""The model and an implementation side by side: the same verbs, compared results.

Node ids differ between the two, so all speak of nodes by the model's ids and each
side translates.  Clocks differ too: a time that a test set is compared as it is, a
time that a clock gave only by whether the verb moved it.  Access times, blocks and
the sizes of directories are each implementation's own affair.
"""

from __future__ import annotations

import os
import reprlib
import stat
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import TypeVar

from sqlfs.errors import SqlfsError
from sqlfs.types import Attributes, DirectoryEntry
from sqlfs.volume.session import Session
from tests.contract.implementations import IMPLEMENTATIONS, Implementation
from tests.model.session import ModelSession
from tests.model.volume import ModelVolume

DOORS = 2

# Times below are set by tests, times above come from clocks.
SET_TIME_NS_MAX = 10**12

# What is read of a file to compare it: its start, the places where a chunk, a manifest and a
# tree of manifests end (4 KiB chunks, 128 to a manifest), and a far place.
WINDOWS = ((0, 40_000), (500_000, 80_000), (2**40 - 20_000, 40_000))

BLOCK_BYTES = 512

T = TypeVar("T")
Shown = tuple[object, ...]
Verb = Callable[[Session, "Side"], T]


class Side:
    """One implementation, with some sessions on its volume."""

    def __init__(self, volume: Implementation) -> None:
        self._volume = volume
        self._ids: dict[int, int] = {}
        self._seen: dict[int, tuple[int, int]] = {}
        self.doors: list[Session] = []
        self.handles: list[int] = []
        self.open()

    def open(self) -> None:
        self.doors = [self._volume.session() for _ in range(DOORS)]

    def reopen(self) -> None:
        for session in self.doors:
            session.close()
        self._volume.reopen()
        self.handles.clear()
        self.open()

    def close(self) -> None:
        for session in self.doors:
            session.close()
        self._volume.close()

    def know(self, model_id: int, id_: int) -> None:
        self._ids[model_id] = id_

    def node(self, model_id: int) -> int:
        return self._ids[model_id]

    def moved(self, model_id: int, attributes: Attributes) -> tuple[bool, bool]:
        """Whether mtime and ctime moved since this was last asked."""
        now = attributes.mtime_ns, attributes.ctime_ns
        before = self._seen.get(model_id, (None, None))
        self._seen[model_id] = now
        return now[0] != before[0], now[1] != before[1]


class ModelOnly:
    """The model as an implementation whose clock is a counter."""

    def __init__(self) -> None:
        ticks = count(2 * SET_TIME_NS_MAX)
        self.volume = ModelVolume(now=lambda: next(ticks))

    def session(self, *, read_only: bool = False) -> Session:
        return ModelSession(read_only, self.volume)

    def reopen(self) -> None: ...

    def close(self) -> None: ...


class Comparison:
    """Runs verbs on both sides.  Every difference is an AssertionError, and noted in `failed`."""

    def __init__(self, implementation: str, directory: Path) -> None:
        oracle = ModelOnly()
        self._nodes = oracle.volume.nodes
        self.model = Side(oracle)
        self.subject = Side(IMPLEMENTATIONS[implementation](directory))
        self.failed = False
        self.root = self.model.doors[0].root
        self.known: list[int] = []
        self.opened: list[tuple[int, int]] = []  # node and door of each handle
        self._know(self.root, self.subject.doors[0].root)

    def run(self, door: int, verb: Verb[T]) -> tuple[T, T] | None:
        """Both results, or None when both raised errors of one errno."""
        try:
            expected, result = _outcome(self.model, door, verb), _outcome(self.subject, door, verb)
            _require_same(expected, result)
        except BaseException:
            self.failed = True
            raise
        if isinstance(expected, SqlfsError) or isinstance(result, SqlfsError):
            return None
        return expected, result

    def make(self, door: int, verb: Verb[Attributes]) -> None:
        """Like `run`; the new node is known from now on."""
        made = self.run(door, verb)
        if made is not None:
            self._know(made[0].node, made[1].node)

    def create(self, door: int, verb: Verb[tuple[Attributes, int]]) -> None:
        def opened(session: Session, side: Side) -> Attributes:
            attributes, handle = verb(session, side)
            side.handles.append(handle)
            return attributes

        made = self.run(door, opened)
        if made is not None:
            self.opened.append((self._know(made[0].node, made[1].node), door))

    def open(self, door: int, node: int, flags: int) -> None:
        def opened(session: Session, side: Side) -> None:
            side.handles.append(session.open(side.node(node), flags))

        if self.run(door, opened) is not None:
            self.opened.append((node, door))

    def reopen(self) -> None:
        """Close and open both volumes.  What they hold must still be the same."""
        self.model.reopen()
        self.subject.reopen()
        self.opened.clear()

    def close(self) -> None:
        self.subject.close()
        self.model.close()

    def _know(self, model_id: int, id_: int) -> int:
        self.model.know(model_id, model_id)
        self.subject.know(model_id, id_)
        self.known.append(model_id)
        return model_id

    # --- what is there ---

    def directories(self) -> list[int]:
        return [node for node in self.known if self._is(node, stat.S_IFDIR)]

    def files(self) -> list[int]:
        return [node for node in self.known if self._is(node, stat.S_IFREG)]

    def entries(self) -> list[tuple[int, bytes]]:
        """Every placement, as directory and name."""
        nodes = [self._nodes[node] for node in self.directories()]
        return [(node.id, name) for node in nodes for name in node.children]

    def _is(self, node: int, type_: int) -> bool:
        return node in self._nodes and stat.S_IFMT(self._nodes[node].mode) == type_

    # --- looking at everything ---

    def check_tree(self) -> None:
        """Every node that ever was: gone on both sides, or the same on both."""
        for node in self.known:
            self._check_node(node)

    def _check_node(self, node: int) -> None:
        shown = self.run(0, lambda session, side: session.getattr(side.node(node)))
        if shown is None:
            return
        self.run(0, lambda session, side: side.moved(node, session.getattr(side.node(node))))
        self.run(1, lambda session, side: session.path_of(side.node(node)))
        self.run(1, lambda session, side: _xattrs(session, side.node(node)))
        if shown[0].is_dir:
            self.run(0, lambda session, side: _listing(session, side.node(node)))
        elif shown[0].is_symlink:
            self.run(0, lambda session, side: session.readlink(side.node(node)))

    def check_contents(self) -> None:
        for node in self.files():
            self.check_content(node)

    def check_content(self, node: int) -> None:
        self.run(1, lambda session, side: _content(session, side.node(node)))


def _outcome(side: Side, door: int, verb: Verb[T]) -> T | SqlfsError:
    try:
        return verb(side.doors[door], side)
    except SqlfsError as error:
        return error


def _require_same(expected: object, result: object) -> None:
    told, should = _told(result), _told(expected)
    if told == should:
        return
    if isinstance(told, dict) and isinstance(should, dict):
        # The keys that differ say more than megabytes that don't.
        keys = {key for key in told.keys() | should.keys() if told.get(key) != should.get(key)}
        told = {key: told.get(key) for key in sorted(keys)}
        should = {key: should.get(key) for key in sorted(keys)}
    # Raised, not asserted: an assertion would print all of both.
    raise AssertionError(f"{reprlib.repr(told)} instead of {reprlib.repr(should)}")


def _told(outcome: object) -> object:
    """What of an outcome both sides must agree on."""
    if isinstance(outcome, SqlfsError):
        return outcome.errno
    if isinstance(outcome, Attributes):
        return _shown(outcome)
    return outcome


def _shown(attributes: Attributes) -> Shown:
    return (
        oct(attributes.mode),
        attributes.nlink,
        attributes.uid,
        attributes.gid,
        attributes.rdev,
        None if attributes.is_dir else attributes.size,
        _time(attributes.mtime_ns),
        _time(attributes.ctime_ns),
    )


def _time(time_ns: int) -> int | None:
    return time_ns if time_ns <= SET_TIME_NS_MAX else None


def _xattrs(session: Session, node: int) -> dict[bytes, bytes]:
    return {name: session.getxattr(node, name) for name in session.listxattr(node)}


def _listing(session: Session, directory: int) -> list[tuple[bytes, Shown]]:
    """All entries, in pages of three, each of which must agree with lookup."""
    entries: list[DirectoryEntry] = []
    while page := session.readdir(directory, entries[-1].cookie if entries else 0, 3):
        entries += page
    for entry in entries:
        assert session.lookup(directory, entry.name) == entry.attributes
    return [(entry.name, _shown(entry.attributes)) for entry in entries]


def _content(session: Session, node: int) -> dict[int, bytes]:
    """What is in the windows that holds more than zeros, by offset; and at -1 the size."""
    size = session.getattr(node).size
    seen = {-1: b"%d" % size}
    handle = session.open(node, os.O_RDONLY)
    for start, length in (*WINDOWS, (max(0, size - 10_000), 20_000)):
        data = session.read(handle, start, length)
        blocks = range(0, len(data), BLOCK_BYTES)
        seen |= {start + at: data[at : at + BLOCK_BYTES] for at in blocks}
    session.release(handle)
    return {start: block for start, block in seen.items() if any(block)}
