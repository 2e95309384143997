"""What a side shows of itself, and wherein two sides differ."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, fields

from tests.oracle.actor import Actor
from tests.oracle.side import is_file, kind_of

# Whoever looks leaves no access time behind.
LOOK = os.O_RDONLY | os.O_NOATIME | os.O_NOFOLLOW

HANDLE = "handle "  # begins the name of what is open; no path begins so
BLOCK_BYTES = 512
_READ_BYTES = 1024 * 1024

# Both sides were stamped after this: what lies between it and now is "now".
_BEGAN_NS = time.time_ns() - 10**9


@dataclass(frozen=True, slots=True)
class Seen:
    """A node as programs see it, but for what every file system does its own way: the size of
    directories, blocks, and inode numbers as such.  Content and xattrs are with its first name."""

    kind: str
    permissions: int
    links: int
    owner: tuple[int, int]
    size: int | None
    atime: int | str | None
    mtime: int | str | None
    moved: tuple[bool, bool] | None  # whether mtime and ctime are others than a step ago
    same_as: str  # the first name of this node, or the first handle where it has none
    target: str | None
    xattrs: dict[str, bytes]
    position: int | None = None  # of a handle
    content: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class State:
    """All that a side shows: names as paths, handles as numbers."""

    shown: dict[str, Seen]
    stamps: dict[int, tuple[int, int]]  # mtime and ctime by inode number, in ns
    numbers: dict[str, int]  # inode numbers by name


class Observer:
    """Looks at one side again and again; directories' access times only where looking at them
    leaves none.  Those of symlinks depend on whether the kernel still knows the target."""

    def __init__(self, actor: Actor, *, directory_atimes: bool) -> None:
        self._actor = actor
        self._kinds_of_atimes = "-psd" if directory_atimes else "-ps"
        self._stamps: dict[int, tuple[int, int]] = {}

    def look(self) -> State:
        before, self._stamps = self._stamps, {}
        first: dict[int, str] = {}
        state = State({}, self._stamps, {})
        for path in _paths(str(self._actor.root), "."):
            at = self._actor.at(path)
            self._add(state, first, before, path, os.lstat(at), at)
        for handle, descriptor in sorted(self._actor.descriptors.items()):
            name = f"{HANDLE}{handle}"
            self._add(state, first, before, name, os.fstat(descriptor), descriptor)
        return state

    def _add(
        self,
        state: State,
        first: dict[int, str],
        before: dict[int, tuple[int, int]],
        name: str,
        status: os.stat_result,
        where: str | int,
    ) -> None:
        node = status.st_ino
        stamps = (status.st_mtime_ns, status.st_ctime_ns)
        is_first = first.setdefault(node, name) == name
        by_map = node in self._actor.written_by_map
        old = before.get(node)
        kind = kind_of(status.st_mode)
        state.numbers[name] = node
        state.stamps[node] = stamps
        state.shown[name] = Seen(
            kind=kind,
            permissions=stat.S_IMODE(status.st_mode),
            links=status.st_nlink,
            owner=(status.st_uid, status.st_gid),
            size=None if kind == "d" else status.st_size,
            atime=_time(status.st_atime_ns) if kind in self._kinds_of_atimes else None,
            mtime=None if by_map else _time(status.st_mtime_ns),
            moved=None if by_map or old is None else (stamps[0] != old[0], stamps[1] != old[1]),
            same_as=first[node],
            target=os.readlink(where) if kind == "l" and isinstance(where, str) else None,
            xattrs=_xattrs(where) if is_first else {},
            position=_position(where),
            content=_content(where) if kind == "-" and is_first else None,
        )


def differences(one: State, other: State) -> list[str]:
    """Wherein two sides differ, a line each: what, there, and beside."""
    lines = []
    for name in sorted(one.shown.keys() | other.shown.keys()):
        a, b = one.shown.get(name), other.shown.get(name)
        if a is None or b is None:
            lines.append(f"{name}: {'missing' if a is None else 'too much'}")
            continue
        for each in fields(Seen):
            x, y = getattr(a, each.name), getattr(b, each.name)
            if x != y:
                shown = _first_difference(x, y) if each.name == "content" else f"{x!r} for {y!r}"
                lines.append(f"{name}: {each.name}: {shown}")
    return lines


def untrue_room(actor: Actor, state: State) -> Iterator[str]:
    """What a mount cannot truly say of the holes and blocks of its files, a line each."""
    for path, seen in state.shown.items():
        if seen.content is None or path.startswith(HANDLE):
            continue
        content = seen.content
        outside = bytearray(content)
        for begin, end in _data_ranges(actor.at(path), len(content)):
            outside[begin:end] = bytes(end - begin)
        if any(outside):
            yield f"{path}: no hole at {_first_other(bytes(outside), bytes(len(outside)))}"
        stored = os.lstat(actor.at(path)).st_blocks * BLOCK_BYTES
        if stored > -(-len(content) // 4096) * 4096:
            yield f"{path}: {stored} bytes allocated for {len(content)}"
        if stored == 0 and any(content):
            yield f"{path}: nothing allocated, and yet there is something"


def _paths(root: str, path: str) -> Iterator[str]:
    """`path` and all below it, none by way of a symlink."""
    yield path
    where = f"{root}/{path}"
    if kind_of(os.lstat(where).st_mode) != "d":
        return
    descriptor = os.open(where, LOOK | os.O_DIRECTORY)
    try:
        names = sorted(os.listdir(descriptor))
    finally:
        os.close(descriptor)
    for name in names:
        yield from _paths(root, name if path == "." else f"{path}/{name}")


def _time(stamp_ns: int) -> int | str:
    return "now" if _BEGAN_NS <= stamp_ns <= time.time_ns() else stamp_ns


def _xattrs(where: str | int) -> dict[str, bytes]:
    follow = isinstance(where, int)
    try:
        names = sorted(os.listxattr(where, follow_symlinks=follow))
        return {name: os.getxattr(where, name, follow_symlinks=follow) for name in names}
    except OSError as error:
        if error.errno == errno.EBADF:  # of O_PATH
            return {}
        raise


def _position(where: str | int) -> int | None:
    if isinstance(where, str) or not is_file(where):
        return None
    return os.lseek(where, 0, os.SEEK_CUR)


def _content(where: str | int) -> bytes | None:
    """All bytes of a file; None where a handle may not read."""
    if isinstance(where, str):
        descriptor = os.open(where, LOOK)
        try:
            return _content(descriptor)
        finally:
            os.close(descriptor)
    pieces, offset = [], 0
    try:
        while piece := os.pread(where, _READ_BYTES, offset):
            pieces.append(piece)
            offset += len(piece)
    except OSError as error:
        if error.errno == errno.EBADF:
            return None
        raise
    return b"".join(pieces)


def _data_ranges(path: str, size: int) -> Iterator[tuple[int, int]]:
    descriptor = os.open(path, LOOK)
    try:
        end = 0
        while end < size:
            begin = os.lseek(descriptor, end, os.SEEK_DATA)
            end = os.lseek(descriptor, begin, os.SEEK_HOLE)
            yield begin, end
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
    finally:
        os.close(descriptor)


def _first_difference(one: bytes | None, other: bytes | None) -> str:
    if one is None or other is None or len(one) != len(other):
        return (
            f"{one if one is None else len(one)} bytes for {other if other is None else len(other)}"
        )
    at = _first_other(one, other)
    count = sum(x != y for x, y in zip(one, other, strict=True))
    shown = [value[at : at + 8].hex() for value in (one, other)]
    return f"{count} bytes differ, from {at} on: {shown[0]} for {shown[1]}"


def _first_other(one: bytes, other: bytes) -> int:
    return next(at for at, (x, y) in enumerate(zip(one, other, strict=True)) if x != y)
