"""Short ways to make nodes and to look at them, by nothing but the session protocol."""

from __future__ import annotations

import os
import random
import stat

from sqlfs.types import AttributeChanges, Caller
from sqlfs.volume.session import Session

ME = Caller(uid=1000, gid=1001)

# A time that no clock gives: what a verb touches moves away from it.
PAST_NS = 1_000_000_007

KINDS = ("file", "empty", "full", "symlink", "fifo")


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def make_file(session: Session, name: bytes, data: bytes = b"", parent: int | None = None) -> int:
    parent = session.root if parent is None else parent
    attributes, handle = session.create(parent, name, 0o644, os.O_RDWR, ME)
    if data:
        assert session.write(handle, 0, data) == len(data)
    session.flush(handle)
    session.release(handle)
    return attributes.node


def make_directory(session: Session, name: bytes, parent: int | None = None) -> int:
    return session.mkdir(session.root if parent is None else parent, name, 0o755, ME).node


def make(session: Session, kind: str, name: bytes, parent: int | None = None) -> int:
    """A node of one of KINDS: "empty" and "full" are directories."""
    parent = session.root if parent is None else parent
    match kind:
        case "file":
            return make_file(session, name, b"data", parent)
        case "empty":
            return make_directory(session, name, parent)
        case "full":
            node = make_directory(session, name, parent)
            make_file(session, b"inside", parent=node)
            return node
        case "symlink":
            return session.symlink(parent, name, b"somewhere", ME).node
        case "fifo":
            return session.mknod(parent, name, stat.S_IFIFO | 0o644, 0, ME).node
    raise AssertionError(kind)


def content(session: Session, node: int) -> bytes:
    """All bytes of a file (of at most some MiB)."""
    size = session.getattr(node).size
    handle = session.open(node, os.O_RDONLY)
    data = session.read(handle, 0, size + 1)
    session.release(handle)
    return data


def names(session: Session, directory: int | None = None) -> list[bytes]:
    directory = session.root if directory is None else directory
    return [entry.name for entry in session.readdir(directory, 0, 100_000)]


def age(session: Session, *nodes: int) -> None:
    """Set the times of `nodes` to PAST_NS."""
    past = AttributeChanges(atime_ns=PAST_NS, mtime_ns=PAST_NS, ctime_ns=PAST_NS)
    for node in nodes:
        session.setattr(node, past)


def touched(session: Session, node: int) -> tuple[bool, bool]:
    """Whether mtime and ctime of `node` moved since it was aged."""
    attributes = session.getattr(node)
    return attributes.mtime_ns != PAST_NS, attributes.ctime_ns != PAST_NS


def copy_all(
    session: Session, source: int, offset_in: int, target: int, offset_out: int, length: int
) -> int:
    """`copy_range` until all is copied, or nothing comes any more; returns how many bytes."""
    done = 0
    while part := session.copy_range(
        source, offset_in + done, target, offset_out + done, length - done
    ):
        done += part
    return done
