"""A whole tree: whether it agrees with itself, and what is in it."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Leaf:
    """A node of a tree that nobody changes any more; all of it survives a remount."""

    node: int
    mode: int
    links: int
    owner: tuple[int, int]
    size: int | None  # None for a directory
    mtime_ns: int
    ctime_ns: int
    content: str  # a digest, or what a symlink says
    xattrs: tuple[tuple[str, bytes], ...]


def contents(top: Path) -> dict[str, Leaf]:
    """Everything below `top`, by path."""
    return {str(path.relative_to(top)): _leaf(path) for path in _below(top)}


def contradictions(top: Path) -> list[str]:
    """Wherein the tree does not agree with itself, a line each."""
    names: Counter[int] = Counter()
    folders: Counter[Path] = Counter()
    for path in _below(top):
        status = path.lstat()
        names[status.st_ino] += 1
        folders[path.parent] += stat.S_ISDIR(status.st_mode)
    lines = []
    for path in _below(top):
        status = path.lstat()
        is_folder = stat.S_ISDIR(status.st_mode)
        wanted = 2 + folders[path] if is_folder else names[status.st_ino]
        if status.st_nlink != wanted:
            lines.append(f"{path}: {status.st_nlink} links, and should have {wanted}")
        if stat.S_ISREG(status.st_mode) and len(path.read_bytes()) != status.st_size:
            lines.append(f"{path}: not {status.st_size} bytes long")
        if is_folder and path.joinpath("..").stat().st_ino != path.parent.stat().st_ino:
            lines.append(f"{path}: .. is another directory")
    return lines


def _below(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.iterdir()):
        yield path
        if stat.S_ISDIR(path.lstat().st_mode):
            yield from _below(path)


def _leaf(path: Path) -> Leaf:
    status = path.lstat()
    content = ""
    if stat.S_ISREG(status.st_mode):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
    elif stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)
    names = sorted(os.listxattr(path, follow_symlinks=False))
    return Leaf(
        node=status.st_ino,
        mode=status.st_mode,
        links=status.st_nlink,
        owner=(status.st_uid, status.st_gid),
        size=None if stat.S_ISDIR(status.st_mode) else status.st_size,
        mtime_ns=status.st_mtime_ns,
        ctime_ns=status.st_ctime_ns,
        content=content,
        xattrs=tuple((name, os.getxattr(path, name, follow_symlinks=False)) for name in names),
    )
