"""Every write, sync and taking of room fails, once and from then on: nothing acknowledged is lost.

A workload is run once to count the calls, and then again for each of them.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sqlfs.errors import SqlfsError
from sqlfs.maintenance import check_file
from sqlfs.types import Caller
from sqlfs.volume import VolumeFile
from sqlfs.volume.direct import DirectSession
from tests.full.faults import FailingSyncer, Faults, failing
from tests.power.conftest import NoWatch

CALLER = Caller(0, 0)
STEPS = 24
# Points of failure that are tried for each kind of fault, spread over the workload.
POINTS = 40 * int(os.environ.get("SQLFS_SOAK", "1"))
PAGE_BYTES = 4096


@pytest.fixture(autouse=True)
def nobody_watching(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else opens the files, and closing an inotify instance takes the kernel 10 ms."""
    monkeypatch.setattr("sqlfs.volume.file.OpenWatch", NoWatch)


@dataclass(slots=True)
class Promises:
    """What the volume must hold: by name, all contents that would be right."""

    held: dict[bytes, set[bytes | None]] = field(default_factory=dict)
    now: dict[bytes, bytes | None] = field(default_factory=dict)

    def may_change(self, name: bytes, *contents: bytes | None) -> None:
        self.held.setdefault(name, {None}).update(contents)

    def changed(self, name: bytes, content: bytes | None) -> None:
        self.now[name] = content
        self.may_change(name, content)

    def acknowledged(self) -> None:
        self.held = {name: {content} for name, content in self.now.items()}


def run(session: DirectSession, file: VolumeFile, promises: Promises) -> set[int]:
    """Random changes; goes on after errors as a user would.  Returns the errnos that came up."""
    chance = random.Random(11)
    met: set[int] = set()
    for _ in range(STEPS):
        name = b"%d" % chance.randrange(6)
        content = chance.randbytes(chance.choice((100, 3_000, 20_000)))
        verb = chance.choice(("put", "put", "put", "remove", "sync", "sync", "checkpoint"))
        try:
            if verb == "put":
                put(session, name, content, promises)
            elif verb == "remove" and promises.now.get(name) is not None:
                remove(session, name, promises)
            elif verb == "sync":
                session.sync()
                promises.acknowledged()
            elif verb == "checkpoint":
                file.checkpoint()
                promises.acknowledged()
        except SqlfsError as error:
            met.add(error.errno or 0)
    return met


def remove(session: DirectSession, name: bytes, promises: Promises) -> None:
    promises.may_change(name, None)
    session.unlink(session.root, name)
    promises.changed(name, None)


def put(session: DirectSession, name: bytes, content: bytes, promises: Promises) -> None:
    """Replace what is called `name`, if anything is."""
    names = {entry.name for entry in session.readdir(session.root, 0, 100)}
    if name in names:
        remove(session, name, promises)
    promises.may_change(name, b"")
    _, handle = session.create(session.root, name, 0o600, os.O_WRONLY, CALLER)
    promises.changed(name, b"")
    promises.may_change(name, content)
    try:
        session.write(handle, 0, content)
        promises.changed(name, content)
    finally:
        session.release(handle)


def contents(session: DirectSession) -> Iterator[tuple[bytes, bytes]]:
    for entry in session.readdir(session.root, 0, 100):
        handle = session.open(entry.attributes.node, os.O_RDONLY)
        yield entry.name, session.read(handle, 0, entry.attributes.size)
        session.release(handle)


def fail_at(folder: Path, faults: Faults) -> set[int]:
    """Run the workload under `faults`, and judge what it leaves; the errnos that came up."""
    path = folder / f"{faults.at}.sqlite"
    promises = Promises()
    met: set[int] = set()
    with VolumeFile.open(path, create=True, page_size=PAGE_BYTES, background=False) as made:
        made.create_volume("main", chunk_size=PAGE_BYTES)
    with failing(faults) as vfs:
        try:
            with (
                VolumeFile.open(
                    path, background=False, vfs=vfs, syncer=FailingSyncer(faults)
                ) as file,
                file.session("main", atime=False) as session,
            ):
                if not file.read_only:
                    met = run(session, file, promises)
                for name, content in contents(session):
                    may_be_lost = file.db.failure is not None
                    assert may_be_lost or promises.now[name] == content, name
        except SqlfsError as error:
            met.add(error.errno or 0)
        faults.end()
    judge(path, promises)
    for left in folder.glob(f"{faults.at}.sqlite*"):
        left.unlink()
    return met


def judge(path: Path, promises: Promises) -> None:
    with VolumeFile.open(path, background=False) as file, file.session("main") as session:
        assert check_file(file, deep=True) == []
        found = dict(contents(session))
        for name, allowed in promises.held.items():
            assert found.get(name) in allowed, name
        assert set(found) <= set(promises.held)


def sweep(folder: Path, kind: str, number: int, *, lasts: bool) -> set[int]:
    counting = Faults(kind, number)
    assert fail_at(folder, counting) == set(), "nothing fails by itself"
    total = counting.counted
    assert total >= 5
    met: set[int] = set()
    failed = 0
    for at in range(1, total + 1, max(1, total // POINTS)):
        faults = Faults(kind, number, at, lasts)
        met |= fail_at(folder, faults)
        failed += faults.met > 0
    assert failed > total // max(1, total // POINTS) // 2, "the faults were not met"
    return met


@pytest.mark.parametrize("lasts", [False, True], ids=["once", "from-then-on"])
@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("allocate", errno.ENOSPC),
        ("write", errno.ENOSPC),
        ("write", errno.EIO),
        ("write", errno.EROFS),
        ("sync", errno.EIO),
        ("allocate", errno.EIO),
    ],
)
def test_a_fault_at_every_call(disk_folder: Path, kind: str, number: int, lasts: bool) -> None:
    met = sweep(disk_folder, kind, number, lasts=lasts)
    assert met <= {number}, "the error that there is, and no other"
    assert met or kind == "allocate"
