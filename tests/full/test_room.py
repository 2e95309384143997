"""P7 on file systems that are full: ENOSPC and nothing else, and everything that frees goes on."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sqlfs.errors import NoSpace, ReadOnly
from sqlfs.limits import LOG_BYTES_MAX
from sqlfs.maintenance import check_file
from sqlfs.store.io import DataSyncer
from sqlfs.types import Caller
from sqlfs.volume import VolumeFile
from sqlfs.volume.direct import DirectSession
from tests.full.disk import Disk, competitor

KIB, MIB = 2**10, 2**20
CALLER = Caller(0, 0)
ROUNDS = 50 * int(os.environ.get("SQLFS_SOAK", "1"))


@contextmanager
def opened(path: Path, *, background: bool = True) -> Iterator[tuple[VolumeFile, DirectSession]]:
    with VolumeFile.open(path, create=True, background=background) as file:
        if not file.volumes():
            file.create_volume("main")
        with file.session("main") as session:
            yield file, session


def store(session: DirectSession, name: bytes, content: bytes) -> None:
    """A file that is durable.  Raises NoSpace; what was begun is gone then."""
    _, handle = session.create(session.root, name, 0o600, os.O_WRONLY, CALLER)
    try:
        for start in range(0, len(content), 128 * KIB):
            session.write(handle, start, content[start : start + 128 * KIB])
        session.fsync(handle)
    except NoSpace:
        session.unlink(session.root, name)
        raise
    finally:
        session.release(handle)


def content_of(session: DirectSession, name: bytes) -> bytes:
    node = session.lookup(session.root, name)
    handle = session.open(node.node, os.O_RDONLY)
    try:
        return session.read(handle, 0, node.size)
    finally:
        session.release(handle)


def fill(session: DirectSession, chance: random.Random, size: int) -> dict[bytes, bytes]:
    """Files until there is no room for another; what they hold."""
    stored: dict[bytes, bytes] = {}
    while True:
        name, content = b"file %d" % len(stored), chance.randbytes(size)
        try:
            store(session, name, content)
        except NoSpace:
            return stored
        stored[name] = content


def check(path: Path, stored: dict[bytes, bytes]) -> None:
    """The file is sound, and holds what was acknowledged and nothing else."""
    with opened(path) as (file, session):
        assert check_file(file, deep=True) == []
        names = {entry.name for entry in session.readdir(session.root, 0, 100_000)}
        assert names == set(stored)
        for name, content in stored.items():
            assert content_of(session, name) == content


@pytest.mark.parametrize("size", [60 * KIB, 3 * MIB])
def test_a_full_volume_is_emptied_with_nothing_free_outside(disk: Disk, size: int) -> None:
    path, chance = disk.folder / "volume.sqlite", random.Random(size)
    with opened(path) as (file, session):
        first = fill(session, chance, size)
        assert sum(map(len, first.values())) > 20 * MIB, "most of the room is for content"
        disk.fill()
        for name, content in first.items():
            assert content_of(session, name) == content
        for name in first:
            session.unlink(session.root, name)
        session.sync()
        file.reclaim()
        second = fill(session, chance, size)
        assert len(second) > 0.8 * len(first), "what was freed is usable at once"
        assert file.db.failure is None
    disk.clear()
    check(path, second)


def test_a_competitor_that_fills_the_disk_at_random_costs_nothing(disk: Disk) -> None:
    path, chance = disk.folder / "volume.sqlite", random.Random(7)
    stored: dict[bytes, bytes] = {}
    accepted = refused = 0
    with opened(path) as (file, session), competitor(disk, random.Random(8)):
        while accepted < ROUNDS or refused < ROUNDS:
            name = b"%d" % (accepted + refused)
            content = chance.randbytes(chance.choice((300, 9_000, 700_000)))
            try:
                store(session, name, content)
                stored[name] = content
                accepted += 1
            except NoSpace:
                refused += 1
            if stored and chance.random() < 0.3:
                name = chance.choice(list(stored))
                session.unlink(session.root, name)
                del stored[name]
            if chance.random() < 0.05:
                file.checkpoint()
        assert file.db.failure is None
    check(path, stored)


def test_truncating_and_renaming_go_on_when_full(disk: Disk) -> None:
    path, chance = disk.folder / "volume.sqlite", random.Random(3)
    with opened(path) as (_, session):
        stored = fill(session, chance, 2 * MIB)
        disk.fill()
        for number, name in enumerate(list(stored)):
            handle = session.open(session.lookup(session.root, name).node, os.O_WRONLY)
            session.release(handle)
            if number % 2:
                session.open(session.lookup(session.root, name).node, os.O_WRONLY | os.O_TRUNC)
                stored[name] = b""
            else:
                session.unlink(session.root, name)
                del stored[name]
            session.sync()
        store(session, b"new", b"x" * MIB)
        stored[b"new"] = b"x" * MIB
    disk.clear()
    check(path, stored)


def test_closing_needs_no_room(small_disk: Disk) -> None:
    path = small_disk.folder / "volume.sqlite"
    with opened(path) as (_, session):
        stored = fill(session, random.Random(1), MIB)
        small_disk.fill()
    small_disk.clear()
    check(path, stored)


def test_df_tells_what_can_be_written(small_disk: Disk) -> None:
    path = small_disk.folder / "volume.sqlite"
    with opened(path) as (_, session):
        status = session.statfs()
        promised = status.blocks_free * status.block_size
        stored = sum(map(len, fill(session, random.Random(2), 512 * KIB).values()))
        assert 0.8 * promised < stored <= promised
        status = session.statfs()
        assert status.blocks_free * status.block_size < 2 * MIB


def test_too_full_for_the_reserve_opens_read_only(small_disk: Disk) -> None:
    path = small_disk.folder / "volume.sqlite"
    with opened(path) as (_, session):
        store(session, b"kept", b"content")
    small_disk.fill()
    with VolumeFile.open(path) as file:
        assert file.read_only
        (notice,) = file.notices
        assert "too full" in notice
        assert "\n" not in notice
        with file.session("main") as session:
            assert content_of(session, b"kept") == b"content"
            with pytest.raises(ReadOnly):
                session.unlink(session.root, b"kept")
    small_disk.clear()
    check(path, {b"kept": b"content"})


def test_a_file_keeps_no_more_room_than_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "volume.sqlite"

    def beyond() -> int:
        status = path.stat()
        return status.st_blocks * 512 - status.st_size

    with opened(path, background=False) as (file, session):
        for number in range(4):
            _, handle = session.create(session.root, b"%d" % number, 0o600, os.O_WRONLY, CALLER)
            session.write(handle, 0, random.randbytes(8 * MIB))
            session.release(handle)
        session.sync()
        file.checkpoint()
        assert 0 < beyond() <= 2 * file.db.room.reserve_pages * file.db.page_size + 4 * MIB
    assert beyond() <= 64 * KIB


class Asking(DataSyncer):
    """Remembers how much was asked for, and takes nothing."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def allocate(self, fd: int, which: str, offset: int, length: int) -> None:
        del fd, which, offset
        self.asked.append(length)


def test_a_forged_count_of_pages_takes_no_room(tmp_path: Path) -> None:
    path = tmp_path / "volume.sqlite"
    VolumeFile.open(path, create=True).close()
    header = bytearray(path.read_bytes())
    header[36:40] = (2**31 + 5).to_bytes(4)  # free pages, which SQLite takes for less than none
    path.write_bytes(header)
    syncer = Asking()
    with VolumeFile.open(path, background=False, syncer=syncer) as file:
        assert file.read_only
    assert max(syncer.asked, default=0) < LOG_BYTES_MAX
