"""Salvaging into a local directory, and what it then holds, as the trees of specimens are told."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from sqlfs.maintenance.salvage import (
    Destination,
    Loss,
    Recovered,
    Rescue,
    find_volumes,
    unlock,
)
from sqlfs.store.wreck import Wreck
from tests.fuzz.trees import PIECE, READ_BYTES_MAX, Seen, Tree, wrong

LOST = b"/lost+found"
# What a specimen has of it is too large for the file systems that tests run on.
UNKEEPABLE = "can't be kept there"


@dataclass
class Rescued:
    """``whole``: paths of which nothing was told to be lost."""

    tree: Tree
    recovered: Recovered
    losses: list[Loss]
    notices: list[str] = field(default_factory=list)

    @property
    def whole(self) -> set[bytes]:
        told = {
            b"/" + loss.path for loss in self.losses if loss.path and UNKEEPABLE not in loss.message
        }
        return {path for path in self.tree.seen if path not in told and not is_lost(path)}


def is_lost(path: bytes) -> bool:
    return path.startswith(LOST)


class SmallDestination(Destination):
    """Room for what specimens hold, and not for what was forged to be without end."""

    def free_bytes(self) -> int:
        return 64 << 20


def rescue(path: Path, to: Path, passphrase: bytes | None, volume: str | None = None) -> Rescued:
    losses: list[Loss] = []
    with Wreck(path) as wreck:
        found = find_volumes(wreck)
        traces = found[0] if volume is None else next(it for it in found if it.name == volume)
        opened = unlock(wreck.finds, traces, passphrase)
        recovered = Rescue(wreck, opened, SmallDestination(to), losses.append).run()
        return Rescued(look(to, losses), recovered, losses, wreck.notices)


def look(to: Path, losses: list[Loss]) -> Tree:
    """What is in a directory; what was said to be lost counts as an error that was met."""
    tree = Tree()
    base = os.fsencode(to)
    tree.seen[b"/"] = _see(base, b"", losses)
    tree.seen[b"/"].xattrs = None  # as sessions are looked at
    for folder, names, files in os.walk(base):
        for name in (*names, *files):
            path = folder + b"/" + name
            tree.seen[path[len(base) :]] = _see(path, path[len(base) + 1 :], losses)
    return tree


def _see(local: bytes, path: bytes, losses: list[Loss]) -> Seen:
    status = os.lstat(local)
    own = [loss for loss in losses if loss.path == path]
    kind = stat.S_IFMT(status.st_mode)
    has_size = kind in (stat.S_IFREG, stat.S_IFLNK)
    seen = Seen(
        (
            status.st_mode,
            status.st_uid,
            status.st_gid,
            status.st_rdev,
            status.st_size if has_size else 0,
            status.st_mtime_ns,
        )
    )
    if any("attributes" in loss.message for loss in own):
        seen.fixed = None
    if kind == stat.S_IFLNK:
        seen.target = os.readlink(local)  # noqa: PTH115
    else:
        seen.xattrs = {
            os.fsencode(name): os.getxattr(local, name)
            for name in os.listxattr(local, follow_symlinks=False)
        }
    if kind == stat.S_IFREG:
        with open(local, "rb") as file:
            seen.pieces = _pieces(file.read(READ_BYTES_MAX), own)
    return seen


def _pieces(content: bytes, losses: list[Loss]) -> list[bytes | None]:
    gone = [(loss.offset, loss.offset + loss.length) for loss in losses if loss.length >= 0]
    found: list[bytes | None] = []
    for at in range(0, len(content), PIECE):
        piece = content[at : at + PIECE]
        touched = any(start < at + len(piece) and at < end for start, end in gone)
        if touched:
            assert gone[0][0] % PIECE == 0, "chunks are lost whole"
            assert not any(piece), "what is lost reads as zeros"
        found.append(None if touched else piece)
    return found


def problems(rescued: Rescued, states: list[Tree]) -> list[str]:
    """What came out that is not what it once was."""
    in_place = Tree({path: it for path, it in rescued.tree.seen.items() if not is_lost(path)})
    found = wrong(in_place, states)
    everything = {f"{path!r}": seen for state in states for path, seen in state.seen.items()}
    for path, seen in rescued.tree.seen.items():
        if path == LOST or not is_lost(path):
            continue
        alone = Tree({b"/x": seen})
        if all(wrong(alone, [Tree({b"/x": it})]) for it in everything.values()):
            found.append(f"{path!r} is like nothing that ever was")
    return found
