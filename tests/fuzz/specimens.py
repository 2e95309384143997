"""The sound files that mutants are made of, and what is in them.

A specimen stays where it was built: what a file says of its own identity holds for a mutant that
takes its place.  Randomness and time are replaced while it is built, so that a seed makes the same
mutant again.
"""

from __future__ import annotations

import os
import pickle
import random
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from unittest import mock

from sqlfs.crypto import Sealer
from sqlfs.types import AttributeChanges, Caller
from sqlfs.volume import Session, VolumeFile
from tests.format.volumes import CHEAP, CHUNK, noise, put
from tests.fuzz.trees import Tree, look

PAGE: Final = 4096
PASSPHRASE: Final = b"pass"
VOLUME: Final = "main"
ME: Final = Caller(1000, 1001)
SMALL: Final = 40  # files of the folder that makes tables of many pages
_BEGINNING_NS: Final = 1_700_000_000_000_000_000


@dataclass(frozen=True)
class Kind:
    """How a specimen is made; with `log`, its owner was killed."""

    name: str
    passphrase: bytes | None = None
    dedupe: bool = True
    log: bool = False


KINDS: Final = (
    Kind("plain"),
    Kind("encrypted", PASSPHRASE),
    Kind("encrypted-random", PASSPHRASE, dedupe=False),
    Kind("plain-log", log=True),
    Kind("encrypted-log", PASSPHRASE, log=True),
)


@dataclass
class Specimen:
    """``trees``: every state that was committed, the last one being the full one."""

    kind: Kind
    path: Path
    uuid: bytes
    sealer: Sealer = field(repr=False)
    trees: list[Tree]
    file: bytes = field(default=b"", repr=False)
    log: bytes | None = field(default=None, repr=False)

    @property
    def log_path(self) -> Path:
        return self.path.with_name(self.path.name + "-wal")

    def restore(self) -> None:
        """Put the sound bytes back, into the same inode."""
        self.path.write_bytes(self.file)
        if self.log is None:
            self.log_path.unlink(missing_ok=True)
        else:
            self.log_path.write_bytes(self.log)


def build(kind: Kind, folder: Path) -> Specimen:
    """In a process of its own, which ends as a killed one does where a log is to be left."""
    path = folder / f"{kind.name}.sqlite"
    known = folder / f"{kind.name}.known"
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with repeatable():
                known.write_bytes(pickle.dumps(_fill(kind, path)))
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert status == 0, f"the specimen {kind.name} was not built"
    uuid, sealer, trees = pickle.loads(known.read_bytes())
    specimen = Specimen(kind, path, uuid, sealer, trees)
    specimen.file = path.read_bytes()
    if kind.log:
        specimen.log = specimen.log_path.read_bytes()
    return specimen


@contextmanager
def repeatable() -> Iterator[None]:
    chance, ticks = random.Random(1), iter(range(_BEGINNING_NS, 2**63, 1_000_000))
    with (
        mock.patch.object(os, "urandom", chance.randbytes),
        mock.patch.object(time, "time_ns", side_effect=ticks),
        mock.patch.object(time, "clock_gettime_ns", side_effect=ticks),
    ):
        yield


def _fill(kind: Kind, path: Path) -> tuple[bytes, Sealer, list[Tree]]:
    file = VolumeFile.open(path, create=True, page_size=PAGE, background=False)
    file.create_volume(VOLUME, kind.passphrase, chunk_size=CHUNK, dedupe=kind.dedupe, kdf=CHEAP)
    session = file.session(VOLUME, passphrase=kind.passphrase)
    volume = session.opened_volume
    found = volume.info.uuid, volume.sealer
    trees: list[Tree] = [look(session)]
    for step in (_first, _second, _third):
        if kind.log and step is not _first:
            for part in step(session):
                part()
                session.sync()
                trees.append(look(session))
        else:
            for part in step(session):
                part()
            session.sync()
            trees.append(look(session))
            file.db.checkpoint(mark=True)
    trees.append(look(session))
    if not kind.log:
        file.close()
    return *found, trees


Steps = Iterator[Callable[[], object]]


def _first(session: Session) -> Steps:
    """Nodes of every type, and content of every form."""
    root = session.root
    folder = session.mkdir(root, b"folder", 0o750, ME).node
    deep = session.mkdir(folder, b"n" * 255, 0o700, ME).node
    yield lambda: put(session, b"empty", (0, b""))
    yield lambda: put(session, b"tiny", (0, b"hello, world"))
    yield lambda: put(session, b"chunk", (0, noise(3000)))
    yield lambda: put(session, b"two chunks", (0, noise(CHUNK + 9)))
    yield lambda: put(session, b"manifests", *_spread(140))
    yield lambda: put(session, b"sparse", (200 * CHUNK, noise(77)), (5, noise(99)))
    yield lambda: session.symlink(deep, b"\xff\xfe", b"t" * 900, ME)
    yield lambda: session.symlink(root, b"link", b"folder", ME)
    yield lambda: session.mknod(folder, b"fifo", stat.S_IFIFO | 0o600, 0, ME)
    yield lambda: session.mknod(folder, b"device", stat.S_IFCHR | 0o600, os.makedev(7, 3), ME)
    for number in range(SMALL):
        name = b"small %d" % number
        yield lambda name=name: _small(session, folder, name)  # type: ignore[misc]


def _second(session: Session) -> Steps:
    root = session.root
    tiny = session.lookup(root, b"tiny").node
    folder = session.lookup(root, b"folder").node
    yield lambda: session.link(tiny, folder, b"hard link")
    yield lambda: session.setattr(tiny, AttributeChanges(mode=0o4711, uid=5, mtime_ns=-2))
    yield lambda: session.setxattr(tiny, b"user.short", b"")
    yield lambda: session.setxattr(tiny, b"user." + b"l" * 250, noise(9000))
    yield lambda: session.clone(session.lookup(root, b"manifests").node, folder, b"clone", ME)
    yield lambda: session.rename(root, b"chunk", folder, b"moved")


def _third(session: Session) -> Steps:
    root = session.root
    folder = session.lookup(root, b"folder").node
    yield lambda: _overwrite(session, b"manifests", 70 * CHUNK + 1, b"changed")
    yield lambda: put(session, b"gone", *_spread(130))
    yield lambda: session.unlink(root, b"gone")
    yield lambda: session.unlink(folder, b"small 7")
    yield lambda: _overwrite(session, b"two chunks", 100, b"fresh")
    yield lambda: _overwrite(session, b"two chunks", 103, b"fresher")


def _spread(chunks: int) -> list[tuple[int, bytes]]:
    """Every chunk another, and little of each."""
    return [(slot * CHUNK, b"%d:" % slot + noise(40)) for slot in range(chunks)]


def _small(session: Session, folder: int, name: bytes) -> None:
    attributes, handle = session.create(folder, name, 0o640, os.O_RDWR, ME)
    session.write(handle, 0, name * 30)
    session.release(handle)
    session.setxattr(attributes.node, b"user.name", name)


def _overwrite(session: Session, name: bytes, offset: int, data: bytes) -> None:
    handle = session.open(session.lookup(session.root, name).node, os.O_RDWR)
    session.write(handle, offset, data)
    session.release(handle)
