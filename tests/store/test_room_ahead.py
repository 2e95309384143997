"""Room that is taken beforehand, beside whoever holds the store's lock."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest

from sqlfs.errors import NoSpace
from sqlfs.store import create_file, open_file, room
from sqlfs.store.io import DataSyncer

MIB = 1 << 20


class HeldSyncer(DataSyncer):
    """Says what is allocated, and holds it while it is told to."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.go = threading.Event()
        self.go.set()

    def allocate(self, fd: int, which: str, offset: int, length: int) -> None:
        self.asked.set()
        assert self.go.wait(30)
        super().allocate(fd, which, offset, length)


def test_taking_ahead_holds_nobody_up_but_who_closes(tmp_path: Path) -> None:
    path, syncer = tmp_path / "v.sqlite", HeldSyncer()
    create_file(path)
    database = open_file(path, syncer=syncer).database
    with database.writing():
        assert database.room.holds(1)
    syncer.asked.clear()
    syncer.go.clear()
    ahead = threading.Thread(target=database.room.take_ahead)
    ahead.start()
    assert syncer.asked.wait(30)
    with database.writing():
        database.commit()
    closing = threading.Thread(target=database.close)
    closing.start()
    assert not database.closed
    syncer.go.set()
    ahead.join(30)
    closing.join(30)
    assert database.closed
    assert path.stat().st_blocks * 512 < 4 * MIB


def test_what_is_taken_is_there_when_it_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "v.sqlite"
    create_file(path)
    database = open_file(path).database
    with database.writing():
        assert database.room.holds(1)
    database.room.take_ahead()
    assert path.with_name("v.sqlite-wal").stat().st_blocks * 512 > 32 * MIB
    assert path.stat().st_blocks * 512 > 32 * MIB
    database.room.end()
    database.room.take_ahead()  # and no more
    assert database.log_allocated < 64 * MIB
    database.close()
    assert path.stat().st_blocks * 512 < 4 * MIB


def test_where_little_is_left_nothing_is_taken_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_PLENTY_BYTES", 1 << 60)
    create_file(tmp_path / "v.sqlite")
    database = open_file(tmp_path / "v.sqlite").database
    with database.writing():
        assert database.room.holds(1)
    before = database.log_allocated
    database.room.take_ahead()
    assert database.log_allocated == before
    database.close()


class UnableSyncer(DataSyncer):
    """Of a file system that allocates nothing beforehand."""

    def allocate(self, fd: int, which: str, offset: int, length: int) -> None:
        del fd, which, offset, length
        raise OSError(errno.EOPNOTSUPP, "not supported")


def test_what_cannot_be_taken_is_not_taken_for_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "v.sqlite"
    create_file(path)
    database = open_file(path, syncer=UnableSyncer()).database
    with database.writing():
        # Fewer pages than were asked for when the file was opened.
        database.write("chunk_data_insert", 1, 0, bytes(20 * database.page_size))
        database.room.require()
        monkeypatch.setattr(room.Room, "_outside", lambda _: 0)
        with pytest.raises(NoSpace):
            database.room.require()
        monkeypatch.undo()
        database.commit()
    database.close()
