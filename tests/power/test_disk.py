"""The machinery itself: what it calls lost must be what a disk may lose, and be found out."""

from __future__ import annotations

import ctypes
import random
from pathlib import Path

import apsw
import pytest

from sqlfs.errors import SqlfsError
from sqlfs.store import create_file
from tests.power.cuts import Cut, Lived, Outcome, outcomes
from tests.power.history import History
from tests.power.image import Disk, Image, Mode, materialize
from tests.power.record import Record, Recorder, RecordingSyncer
from tests.power.store_workload import StoreLife
from tests.power.test_store_cuts import check

OLD = b"o" * 4096
NEW = b"n" * 4096


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    path = tmp_path / "volume.sqlite"
    path.write_bytes(OLD)
    return Recorder(path, Record.of(tmp_path))


def images(recorder: Recorder, mode: Mode, count: int = 1) -> list[Image]:
    """What cuts at the end of the record may leave."""
    disk = Disk.after(recorder.record)
    return [disk.image(mode, random.Random(seed)) for seed in range(count)]


def main(recorder: Recorder, mode: Mode) -> bytes:
    return images(recorder, mode)[0]["volume.sqlite"]


def test_a_killed_process_loses_nothing_that_was_written(recorder: Recorder) -> None:
    recorder.wrote(0, 0, NEW)
    assert main(recorder, Mode.KILLED) == NEW


def test_the_worst_cut_loses_all_that_was_not_synced(recorder: Recorder) -> None:
    recorder.wrote(0, 0, NEW)
    assert main(recorder, Mode.SYNCED) == OLD
    recorder.synced(0, recorder.here())
    assert main(recorder, Mode.SYNCED) == NEW


def test_a_sync_does_not_cover_what_was_written_while_it_ran(recorder: Recorder) -> None:
    recorder.wrote(0, 0, NEW[:512])
    began = recorder.here()
    recorder.wrote(0, 512, NEW[512:])
    recorder.synced(0, began)
    assert main(recorder, Mode.SYNCED) == NEW[:512] + OLD[512:]


def test_writes_are_dropped_whole(recorder: Recorder) -> None:
    recorder.wrote(0, 0, NEW)
    found = {image["volume.sqlite"] for image in images(recorder, Mode.DROPPED, 40)}
    assert found == {OLD, NEW}


@pytest.mark.parametrize(("mode", "sector"), [(Mode.TORN_512, 512), (Mode.TORN_4096, 4096)])
def test_writes_are_torn_between_sectors(recorder: Recorder, mode: Mode, sector: int) -> None:
    start = 100
    recorder.wrote(0, start, NEW * 2)
    found = {image["volume.sqlite"] for image in images(recorder, mode, 40)}
    assert len(found) > 3
    for content in found:
        assert content[:start] == OLD[:start]
        for offset in range(start - start % sector, len(content), sector):
            piece = content[max(start, offset) : offset + sector]
            assert len(set(piece)) == 1, "a sector is torn"


def test_a_truncation_may_be_lost(recorder: Recorder) -> None:
    recorder.truncated(0, 512)
    assert main(recorder, Mode.SYNCED) == OLD
    assert main(recorder, Mode.KILLED) == OLD[:512]


def test_a_removed_file_may_be_back_with_all_that_was_written(recorder: Recorder) -> None:
    log = recorder.opened("log", is_new=True)
    recorder.synced_folder(recorder.here())
    recorder.wrote(log, 0, NEW)
    recorder.unlinked("log", durable=False)
    assert images(recorder, Mode.OLD_NAMES)[0]["log"] == NEW
    assert images(recorder, Mode.SYNCED)[0]["log"] == b""
    assert "log" not in images(recorder, Mode.NEW_NAMES)[0]
    assert {"log" in image for image in images(recorder, Mode.DROPPED, 40)} == {True, False}
    recorder.synced_folder(recorder.here())
    assert "log" not in images(recorder, Mode.OLD_NAMES)[0]


def test_a_new_file_may_be_gone_although_it_was_synced(recorder: Recorder) -> None:
    log = recorder.opened("log", is_new=True)
    recorder.wrote(log, 0, NEW)
    recorder.synced(log, recorder.here())
    assert "log" not in images(recorder, Mode.SYNCED)[0]
    recorder.synced_folder(recorder.here())
    assert images(recorder, Mode.SYNCED)[0]["log"] == NEW


def test_a_record_goes_on_after_a_kill(recorder: Recorder) -> None:
    log = recorder.opened("log", is_new=True)
    recorder.wrote(log, 0, NEW)
    later = Recorder(recorder.path, recorder.record.until(recorder.here()))
    assert later.opened("log", is_new=False) == log
    later.synced(log, later.here())
    assert "log" not in images(later, Mode.SYNCED)[0]
    later.synced_folder(later.here())
    assert images(later, Mode.SYNCED)[0]["log"] == NEW
    assert "log" not in images(recorder, Mode.SYNCED)[0]


def test_an_image_replaces_everything_but_the_inode(recorder: Recorder) -> None:
    inode = recorder.path.stat().st_ino
    recorder.path.with_name("litter").touch()
    materialize({"volume.sqlite": b"short", "log": b""}, recorder.path)
    assert recorder.path.read_bytes() == b"short"
    assert recorder.path.stat().st_ino == inode
    names = sorted(found.name for found in recorder.path.parent.iterdir())
    assert names == ["log", "volume.sqlite"]


def test_sqlite_syncs_the_folder_with_the_first_sync_of_a_log(tmp_path: Path) -> None:
    # What the recording VFS takes for granted, because it happens below it.
    opened: list[bytes] = []
    signature = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(ctypes.c_int))
    unix = apsw.VFS("watching-folders", "unix")
    original = unix.xGetSystemCall("openDirectory")
    assert original is not None
    really_open = signature(original)

    def open_folder(name: bytes, fd: ctypes._Pointer[ctypes.c_int]) -> int:
        opened.append(name)
        return int(really_open(name, fd))

    watching = signature(open_folder)
    connection = apsw.Connection(str(tmp_path / "any.sqlite"))
    try:
        connection.execute("CREATE TABLE t (x)")
        connection.pragma("locking_mode", "EXCLUSIVE")
        connection.pragma("journal_mode", "WAL")
        connection.pragma("synchronous", "NORMAL")
        pointer = ctypes.cast(watching, ctypes.c_void_p).value
        assert pointer is not None
        assert unix.xSetSystemCall("openDirectory", pointer)
        connection.execute("INSERT INTO t VALUES (1)")
        assert len(opened) == 1
        connection.execute("INSERT INTO t VALUES (2)")
        assert len(opened) == 1
    finally:
        unix.xSetSystemCall("openDirectory", original)
        connection.close()
        unix.unregister()


class LyingSyncer(RecordingSyncer):
    """A disk that says "done" and did nothing."""

    def sync(self, fd: int, which: str) -> None:
        pass

    def sync_folder(self, folder: Path) -> None:
        pass


def test_a_disk_that_lies_is_found_out(disk_folder: Path) -> None:
    path = disk_folder / "volume.sqlite"
    create_file(path, page_size=4096)
    history = History()
    record = Record.of(disk_folder)
    StoreLife(path, record, random.Random(1), history, syncer=LyingSyncer).run(10)
    life = Lived(0, record, begin=0, held=0)
    lost = [each.cut for each in outcomes(life, seed=1) if is_lost(each, path, history)]
    assert any(cut.mode is Mode.SYNCED for cut in lost)
    assert not any(cut.mode is Mode.KILLED for cut in lost)


def is_lost(outcome: Outcome, path: Path, history: History) -> bool:
    try:
        check(outcome, path, history)
    except (AssertionError, SqlfsError):
        return True
    return False


def test_a_failure_says_how_to_see_it_again(tmp_path: Path) -> None:
    def fail(outcome: Outcome) -> None:
        raise ValueError(f"lost {outcome.acknowledged}")

    outcome = Outcome(Cut(7, 1, 23, Mode.TORN_512), {"volume.sqlite": OLD}, acknowledged=5)
    with pytest.raises(
        AssertionError, match=r"ValueError: lost 5\nalone: SQLFS_CUT=7:1:23:torn-512"
    ):
        outcome.run(fail, tmp_path)
    assert (tmp_path / "volume.sqlite").read_bytes() == OLD
