"""Volume files made by the implementation, for the independent reader."""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from unittest import mock

from sqlfs.crypto import KdfParameters
from sqlfs.maintenance import check_file
from sqlfs.types import AttributeChanges, Attributes, Caller
from sqlfs.volume import Session, VolumeFile
from sqlfs.volume.work import Work
from tests.format.tampering import stored

CHUNK = 4096
CHEAP = KdfParameters(64, 1, 1)
ME = Caller(1000, 1001)
VOLUME = "main"


@dataclass(frozen=True)
class Kind:
    """How a volume is made."""

    passphrase: bytes | None = None
    dedupe: bool = True


KINDS = {
    "plain": Kind(),
    "encrypted": Kind(b"pass"),
    "plain-random": Kind(dedupe=False),
    "encrypted-random": Kind(b"pass", dedupe=False),
}


def create(path: Path, kind: Kind) -> VolumeFile:
    """A file that commits only when it is told to, with one volume."""
    file = VolumeFile.open(path, create=True, background=False)
    add_volume(file, VOLUME, kind)
    return file


def add_volume(file: VolumeFile, name: str, kind: Kind) -> None:
    file.create_volume(name, kind.passphrase, chunk_size=CHUNK, dedupe=kind.dedupe, kdf=CHEAP)


@contextmanager
def opened(path: Path, kind: Kind) -> Iterator[tuple[VolumeFile, Session]]:
    """The file, and its volume unlocked."""
    with VolumeFile.open(path, background=False) as file:
        yield file, file.session(VOLUME, passphrase=kind.passphrase)


def row_of(path: Path, kind: Kind, chunk: bytes) -> int:
    """The row of the chunk with these bytes, in a closed file: chunks are stored as they come from
    those who seal them, in any order."""
    with opened(path, kind) as (_, session):
        digest = session.opened_volume.sealer.chunk_id(chunk)
    (row,) = stored(path, "SELECT id FROM chunk WHERE digest = :digest", digest=digest)
    found: int = row["id"]
    return found


def findings(file: VolumeFile) -> set[str]:
    """The names of the checks that find something, in all that is unlocked."""
    return {finding.check for finding in check_file(file, deep=True)}


def names(session: Session) -> list[bytes]:
    """What the root lists, in order."""
    return [entry.name for entry in session.readdir(session.root, 0, 100)]


def content(session: Session, name: bytes) -> bytes:
    """The bytes of a file in the root, up to 1 MiB."""
    handle = session.open(session.lookup(session.root, name).node, os.O_RDONLY)
    try:
        return session.read(handle, 0, 2**20)
    finally:
        session.release(handle)


def put(session: Session, name: bytes, *writes: tuple[int, bytes], size: int | None = None) -> int:
    """A new file in the root with these bytes at these offsets, then cut or grown; its node."""
    attributes, handle = session.create(session.root, name, 0o640, os.O_RDWR, ME)
    for offset, data in writes:
        session.write(handle, offset, data)
    session.release(handle)
    if size is not None:
        session.setattr(attributes.node, AttributeChanges(size=size))
    return attributes.node


def write_small(session: Session, node: int, offset: int = 9, data: bytes = b"small") -> None:
    """A change that is a delta from now on."""
    handle = session.open(node, os.O_WRONLY)
    session.write(handle, offset, data)
    session.fsync(handle)
    session.release(handle)


@contextmanager
def keeping_deltas() -> Iterator[None]:
    """Files are closed as if there were no room to fold what was written to them."""
    with mock.patch.object(Work, "fold_all"):
        yield


@cache
def noise(length: int) -> bytes:
    """The same bytes for the same length, without a zero among them."""
    return bytes(random.Random(length).choices(range(1, 256), k=length))


def small_files() -> dict[bytes, bytes]:
    """Files whose bytes fit in memory: every form of content, and both sides of every bound."""
    sparse = bytearray(300 * CHUNK + 77)
    for slot in (0, 1, 127, 128, 200, 299):
        sparse[slot * CHUNK + 5 : slot * CHUNK + 1005] = noise(1000)
    return {
        b"empty": b"",
        b"tiny": b"hello, world",
        b"tiny zeros": bytes(300),
        b"tiny text": b"a line of a text\n" * 100,
        b"inline at most": noise(2048),
        b"chunk at least": noise(2049),
        b"one chunk": noise(CHUNK),
        b"two chunks": noise(CHUNK + 1),
        b"zeros": bytes(3 * CHUNK + 1),
        b"a hole at the end": noise(100) + bytes(5 * CHUNK),
        b"one manifest": noise(128 * CHUNK),
        b"two levels": noise(128 * CHUNK + 1),
        b"sparse": bytes(sparse),
    }


def large_files() -> dict[bytes, tuple[int, dict[int, bytes]]]:
    """Size, and the chunks by offset, of files that are mostly holes."""
    return {
        b"level 3": (128**2 * CHUNK + 9, {0: noise(CHUNK), 128**2 * CHUNK: b"level 3 !"}),
        b"level 8": (
            2**63 - 1,
            {128**6 * CHUNK: noise(CHUNK), 2**63 - CHUNK: noise(CHUNK - 1)},
        ),
    }


def fill(session: Session) -> None:
    """Nodes of all types, names of all lengths, content of all forms, and traces of changes."""
    for name, content in small_files().items():
        pieces = [(at, content[at : at + 9000]) for at in range(0, len(content), 9000)]
        put(session, name, *(piece for piece in pieces if any(piece[1])), size=len(content))
    for name, (size, chunks) in large_files().items():
        put(session, name, *chunks.items(), size=size)
    root = session.root
    folder = session.mkdir(root, b"folder", 0o750, ME).node
    deep = session.mkdir(folder, b"n" * 255, 0o700, ME).node
    session.symlink(deep, b"\xff\xfe", b"t" * 4095, ME)
    session.symlink(folder, b"short", b"x", ME)
    session.mknod(folder, b"fifo", stat.S_IFIFO | 0o600, 0, ME)
    session.mknod(folder, b"device", stat.S_IFCHR | 0o600, os.makedev(7, 300), ME)
    for number in range(40):
        session.mkdir(folder, b"%d" % number, 0o700, ME)
    session.rmdir(folder, b"7")
    tiny = session.lookup(root, b"tiny").node
    session.link(tiny, folder, b"hard link")
    session.setattr(tiny, AttributeChanges(mode=0o4711, uid=5, gid=6, atime_ns=1, mtime_ns=-2))
    session.setxattr(tiny, b"user.short", b"")
    session.setxattr(tiny, b"user." + b"l" * 250, noise(65536))
    session.rename(root, b"one chunk", folder, b"moved")
    session.clone(session.lookup(root, b"two levels").node, folder, b"clone", ME)


def change(session: Session) -> None:
    """Overwrite, cut, grow and remove what :func:`fill` made and a commit has stored."""
    root = session.root
    handle = session.open(session.lookup(root, b"two levels").node, os.O_RDWR)
    session.write(handle, 70 * CHUNK + 1, b"changed")
    session.write(handle, 100 * CHUNK, bytes(CHUNK))
    session.release(handle)
    for name, size in ((b"one manifest", 3 * CHUNK + 5), (b"sparse", 600), (b"two chunks", 400)):
        session.setattr(session.lookup(root, name).node, AttributeChanges(size=size))
    session.setattr(session.lookup(root, b"chunk at least").node, AttributeChanges(size=2**40))
    session.unlink(root, b"a hole at the end")


def attributes_by_path(session: Session) -> dict[bytes, Attributes]:
    """What a session shows of what is stored; listing directories makes them accessed first."""
    nodes, waiting = {b"/": session.root}, [(b"/", session.root)]
    while waiting:
        path, directory = waiting.pop()
        for entry in session.readdir(directory, 0, 10_000):
            nodes[path + entry.name] = entry.attributes.node
            if entry.attributes.is_dir:
                waiting.append((path + entry.name + b"/", entry.attributes.node))
    session.sync()  # bytes that wait in memory may count as more blocks
    return {path: session.getattr(node) for path, node in nodes.items()}
