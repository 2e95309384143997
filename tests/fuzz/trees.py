"""What a session shows of a volume, every byte of it, and how two such views differ."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, TypeVar

from sqlfs.errors import SqlfsError
from sqlfs.types import Attributes, DirectoryEntry
from sqlfs.volume import Session

PIECE: Final = 4096
READ_BYTES_MAX: Final = 1 << 20  # of one file; no file of a specimen has more
ALL_BYTES_MAX: Final = 16 << 20
ENTRIES_MAX: Final = 500
DEPTH_MAX: Final = 40
_PAGE: Final = 64
# How an entry is called whose own name can't be read.
_STAND_IN: Final = b"/damaged-name-"

Value = TypeVar("Value")


@dataclass
class Seen:
    """A name and what lies behind it.  None: an error was told instead."""

    fixed: tuple[int, ...] | None  # what does not change by being looked at
    target: bytes | None = None
    xattrs: dict[bytes, bytes | None] | None = None
    pieces: list[bytes | None] | None = None
    unlisted: bool = False  # an error was told when its entries were asked for


@dataclass
class Tree:
    """Paths in the volume, and the errors that were met."""

    seen: dict[bytes, Seen] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    bytes_read: int = 0

    def attempt(self, verb: Callable[[], Value]) -> Value | None:
        """The value, or None for an error by name.  Anything else goes on."""
        try:
            return verb()
        except SqlfsError as error:
            self.errors.append(f"{type(error).__name__}: {error.message}")
            return None


def look(session: Session) -> Tree:
    """Everything below the root, as far as there is an end to it."""
    tree = Tree()
    root = tree.attempt(lambda: session.getattr(session.root))
    tree.seen[b"/"] = Seen(_fixed(root) if root is not None else None)
    waiting = [(b"/", session.root, 0)]
    while waiting:
        path, directory, depth = waiting.pop()
        for entry in _entries(session, tree, directory, path):
            if len(tree.seen) > ENTRIES_MAX:
                return tree
            below = path + entry.name
            if _STAND_IN in below:
                tree.errors.append(f"damaged name {below!r}")
            tree.seen[below] = _see(session, tree, directory, entry)
            if entry.attributes.is_dir and not entry.attributes.is_damaged and depth < DEPTH_MAX:
                waiting.append((below + b"/", entry.attributes.node, depth + 1))
    return tree


def _entries(session: Session, tree: Tree, directory: int, path: bytes) -> Iterator[DirectoryEntry]:
    cookie = 0
    while True:
        page = tree.attempt(lambda: session.readdir(directory, cookie, _PAGE))  # noqa: B023
        if page is None:
            tree.seen[path.rstrip(b"/") or b"/"].unlisted = True
        if not page:
            return
        yield from page
        assert page[-1].cookie > cookie, "the cookies of a directory must grow"
        cookie = page[-1].cookie


def _fixed(found: Attributes) -> tuple[int, ...]:
    return (found.mode, found.uid, found.gid, found.rdev, found.size, found.mtime_ns)


def _see(session: Session, tree: Tree, directory: int, entry: DirectoryEntry) -> Seen:
    listed = entry.attributes
    if listed.is_damaged:
        tree.errors.append("damaged entry")
        return Seen(None)
    node = listed.node
    named = tree.attempt(lambda: session.lookup(directory, entry.name))
    found = tree.attempt(lambda: session.getattr(node))
    if named is None or found is None:
        return Seen(None)
    assert _fixed(found) == _fixed(listed), "a listing and getattr differ"
    seen = Seen(_fixed(found))
    if found.is_symlink:
        seen.target = tree.attempt(lambda: session.readlink(node))
    names = tree.attempt(lambda: session.listxattr(node))
    if names is not None:
        seen.xattrs = {
            name: tree.attempt(lambda name=name: session.getxattr(node, name))  # type: ignore[misc]
            for name in names
        }
    if found.is_file:
        seen.pieces = _content(session, tree, node, found.size)
    return seen


def _content(session: Session, tree: Tree, node: int, size: int) -> list[bytes | None] | None:
    handle = tree.attempt(lambda: session.open(node, os.O_RDONLY))
    if handle is None:
        return None
    end = min(size, READ_BYTES_MAX, max(0, ALL_BYTES_MAX - tree.bytes_read))
    tree.bytes_read += end
    pieces = [
        tree.attempt(lambda at=at: session.read(handle, at, PIECE))  # type: ignore[misc]
        for at in range(0, end, PIECE)
    ]
    tree.attempt(lambda: session.release(handle))
    return pieces


# --- comparing ---


def wrong(found: Tree, states: list[Tree], *, changed: frozenset[bytes] = frozenset()) -> list[str]:
    """What `found` shows that no state ever held; `changed` are paths that were written since."""
    problems = []
    for path, seen in found.seen.items():
        if path in changed or seen.fixed is None or _STAND_IN in path:
            continue
        held = [state.seen[path] for state in states if path in state.seen]
        if not held:
            problems.append(f"{path!r} was never there")
        elif not any(_agrees(seen, each, path == b"/") for each in held):
            problems.append(f"{path!r} is not as it ever was: {_difference(seen, held[-1])}")
    return problems


def absent(found: Tree, full: Tree, *, changed: frozenset[bytes] = frozenset()) -> list[str]:
    """What of `full` is not in `found`, and no error said why."""
    paths = [
        repr(path)
        for path in full.seen.keys() - found.seen.keys() - changed
        if not any(_explains(found, above) for above in _above(path))
    ]
    attributes = [
        f"{name!r} of {path!r}"
        for path, seen in found.seen.items()
        if seen.xattrs is not None and path not in changed and path in full.seen
        for name in (full.seen[path].xattrs or {}).keys() - seen.xattrs.keys()
    ]
    return paths + attributes


def _above(path: bytes) -> Iterator[bytes]:
    while path not in (b"", b"/"):
        path = path.rpartition(b"/")[0] or b"/"
        yield path


def _explains(found: Tree, directory: bytes) -> bool:
    seen = found.seen.get(directory)
    return seen is not None and (seen.fixed is None or seen.unlisted)


def _agrees(seen: Seen, held: Seen, is_root: bool) -> bool:
    ours, theirs = seen.fixed, held.fixed
    assert ours is not None
    assert theirs is not None
    kind = slice(0, 5) if is_root else slice(None)  # writing into the root gives it new times
    return (
        ours[kind] == theirs[kind]
        and (seen.target is None or seen.target == held.target)
        and (seen.xattrs is None or _xattrs_agree(seen.xattrs, held.xattrs))
        and (seen.pieces is None or _pieces_agree(seen.pieces, held.pieces))
    )


def _xattrs_agree(
    ours: dict[bytes, bytes | None], theirs: dict[bytes, bytes | None] | None
) -> bool:
    return theirs is not None and all(
        name in theirs and value in (None, theirs[name]) for name, value in ours.items()
    )


def _pieces_agree(ours: list[bytes | None], theirs: list[bytes | None] | None) -> bool:
    return (
        theirs is not None
        and len(ours) == len(theirs)
        and all(mine in (None, other) for mine, other in zip(ours, theirs, strict=True))
    )


def _difference(seen: Seen, held: Seen) -> str:
    if seen.fixed != held.fixed:
        return f"{seen.fixed} instead of {held.fixed}"
    if seen.target not in (None, held.target):
        return "another target"
    if seen.xattrs is not None and not _xattrs_agree(seen.xattrs, held.xattrs):
        return f"attributes {sorted(seen.xattrs)}"
    return "other bytes"
