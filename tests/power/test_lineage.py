"""Files and logs that don't belong together, and files that are not what they should be."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import apsw
import pytest

from sqlfs.errors import (
    Corrupt,
    Invalid,
    MissingLog,
    NotAVolumeFile,
    ReadOnly,
    SqlfsError,
    StoreError,
    UnsupportedFormat,
)
from sqlfs.store import Database, create_file, open_file, opening
from tests.power.image import Disk, Image, Mode, folder_image, materialize
from tests.power.record import Record, Recorder, RecordingSyncer
from tests.power.vfs import recording

PAGE_BYTES = 4096
NAME = "volume.sqlite"
LOG = NAME + "-wal"


@pytest.fixture
def path(disk_folder: Path) -> Path:
    path = disk_folder / NAME
    create_file(path, page_size=PAGE_BYTES)
    return path


def contents(path: Path) -> Image:
    """What lies there, less an empty log: it says as much as none."""
    return {name: content for name, content in folder_image(path).items() if content}


def run(path: Path, *values: int, crash: bool = False) -> Image:
    """Open, set the one value of these tests to one after another, each durable and all but
    the last checkpointed, and close.

    With `crash` the folder is left as a process that was killed leaves it.  Returns what it
    holds then.
    """
    database = open_file(path).database
    try:
        for value in values:
            if value != values[0]:
                database.checkpoint(mark=True)
            set_value(database, value)
        left = folder_image(path)
    finally:
        database.close()
    if crash:
        materialize(left, path)
    return folder_image(path)


def set_value(database: Database, value: int) -> None:
    with database.writing():
        database.write("reservation_set", "node", value)
        database.write("counter_set", value, 1, bytes(PAGE_BYTES))
    database.sync(database.commit())


def get(
    path: Path, *, read_only: bool = False, accept_state: bool = False
) -> tuple[int, list[str]]:
    """The value, and what was told at open."""
    opened = open_file(path, read_only=read_only, accept_state=accept_state)
    try:
        row = opened.database.row("reservation_get", "node")
        assert row is not None
        return row[0], opened.notices
    finally:
        opened.database.close()


def refused(path: Path, kind: type[SqlfsError], words: str) -> None:
    """Opening fails in one line that names the file, and leaves every byte as it was."""
    before = contents(path)
    with pytest.raises(kind, match=words) as caught:
        get(path)
    assert "\n" not in caught.value.message
    assert str(path) in caught.value.message
    assert contents(path) == before


# --- logs that belong elsewhere ---------------------------------------------------------------


def test_a_crashed_file_goes_on_by_itself(path: Path) -> None:
    run(path, 11, 12, crash=True)
    assert get(path) == (12, [])
    assert get(path) == (12, [])


def test_a_log_that_a_killed_process_had_just_made_keeps_its_name(path: Path) -> None:
    # SQLite syncs the folder of a log that it makes, and not that of one that it finds.
    record = Record.of(path.parent)
    with recording(Recorder(path, record)) as vfs:
        database = open_file(path, vfs=vfs).database
        killed = record.until(len(record.events))
        left = folder_image(path)
        database.close()
    assert left.keys() == {NAME, LOG}
    materialize(left, path)
    recorder = Recorder(path, killed)
    with recording(recorder) as vfs:
        database = open_file(path, vfs=vfs, syncer=RecordingSyncer(recorder)).database
        set_value(database, 11)
        synced = killed.until(len(killed.events))
        database.close()
    materialize(Disk.after(synced).image(Mode.SYNCED, random.Random(1)), path)
    assert get(path) == (11, [])


@pytest.mark.parametrize("write_between", [False, True])
def test_the_room_of_a_log_can_be_given_back_at_any_time(path: Path, write_between: bool) -> None:
    run(path, 11, 12, crash=True)
    database = open_file(path).database
    try:
        if write_between:
            set_value(database, 13)
            database.checkpoint(mark=True)
        database.shrink_log()
        shrunk = folder_image(path)
        set_value(database, 14)
        left = folder_image(path)
    finally:
        database.close()
    materialize(left, path)
    assert get(path) == (14, [])
    materialize(shrunk, path)
    assert get(path) == (13 if write_between else 12, [])


def test_a_file_restored_over_a_crashed_one_ignores_the_log_left_behind(path: Path) -> None:
    run(path, 11)
    backup = path.read_bytes()
    crashed = run(path, 12, 13, crash=True)
    materialize(crashed | {NAME: backup}, path)
    value, notices = get(path)
    assert value == 11
    assert len(notices) == 1
    assert "does not belong" in notices[0]
    assert path.with_name(LOG + ".unmatched-1").read_bytes() == crashed[LOG]
    assert get(path) == (11, [])


def test_logs_set_aside_never_replace_one_another(path: Path) -> None:
    run(path, 11)
    backup = path.read_bytes()
    logs = []
    for value in (12, 14):
        crashed = run(path, value, value + 1, crash=True)
        logs.append(crashed[LOG])
        materialize(crashed | {NAME: backup}, path)
        assert get(path)[0] == 11
    for number, log in enumerate(logs, 1):
        assert path.with_name(f"{LOG}.unmatched-{number}").read_bytes() == log


def test_the_log_of_another_volume_file_is_not_applied(path: Path, disk_folder: Path) -> None:
    run(path, 11)
    (disk_folder / "other").mkdir()
    other = disk_folder / "other" / NAME
    create_file(other, page_size=PAGE_BYTES)
    foreign = run(other, 12, 13, crash=True)[LOG]
    path.with_name(LOG).write_bytes(foreign)
    value, notices = get(path)
    assert value == 11
    assert "does not belong" in notices[0]


def test_an_older_copy_of_the_log_is_refused_beside_a_newer_file_in_use(path: Path) -> None:
    older = run(path, 11, 12, crash=True)[LOG]
    newer = run(path, 13, 14, crash=True)
    materialize(newer | {LOG: older}, path)
    refused(path, MissingLog, "belongs to another state.*--accept-state")
    materialize(newer, path)
    assert get(path) == (14, [])


def test_the_same_log_as_it_was_before_a_checkpoint_is_refused_after_it(path: Path) -> None:
    # The log restarts at the next write only: after the checkpoint it still lies there whole.
    database = open_file(path).database
    try:
        set_value(database, 11)
        older = folder_image(path)[LOG]
        database.checkpoint(mark=True)
        newer = folder_image(path)
    finally:
        database.close()
    frames = len(older) // (PAGE_BYTES + 24) * (PAGE_BYTES + 24)
    assert newer[LOG].startswith(older[:frames]), "but for the tail, which is overwritten"
    materialize(newer | {LOG: older}, path)
    refused(path, MissingLog, "--accept-state")
    materialize(newer, path)
    assert get(path) == (11, [])


# --- a log that is gone ---------------------------------------------------------------------


@pytest.fixture
def without_log(path: Path) -> Path:
    """A file in use whose log, with value 12 in it, was removed: it holds 11 itself."""
    crashed = run(path, 11, 12, crash=True)
    del crashed[LOG]
    materialize(crashed, path)
    return path


def test_a_missing_log_is_named(without_log: Path) -> None:
    refused(without_log, MissingLog, f"{LOG} is missing.*--accept-state")


def test_without_its_log_a_file_can_be_read(without_log: Path) -> None:
    before = folder_image(without_log)
    value, notices = get(without_log, read_only=True)
    assert value == 11
    assert len(notices) == 1
    assert LOG in notices[0]
    assert folder_image(without_log) == before


def test_without_its_log_a_file_opened_for_reading_takes_no_write(without_log: Path) -> None:
    database = open_file(without_log, read_only=True).database
    try:
        with pytest.raises(ReadOnly), database.writing():
            pass
    finally:
        database.close()


def test_accepting_the_state_goes_on_from_it_for_good(without_log: Path) -> None:
    assert get(without_log, accept_state=True)[0] == 11
    assert get(without_log) == (11, [])
    run(without_log, 15)
    assert get(without_log) == (15, [])


def test_an_accepted_state_is_no_longer_that_of_the_missing_log(path: Path) -> None:
    crashed = run(path, 11, 12, crash=True)
    materialize({NAME: crashed[NAME]}, path)
    assert get(path, accept_state=True)[0] == 11
    run(path, 15)
    path.with_name(LOG).write_bytes(crashed[LOG])
    value, notices = get(path)
    assert value == 15
    assert "does not belong" in notices[0]


def test_a_copy_of_a_file_in_use_opens_and_says_what_it_is(path: Path) -> None:
    run(path, 11, 12, crash=True)
    copy = path.with_name("copy.sqlite")
    shutil.copy(path, copy)
    value, notices = get(copy)
    assert value == 11
    assert len(notices) == 1
    assert "is a copy" in notices[0]
    run(copy, 16)
    assert get(copy) == (16, [])
    assert get(path) == (12, [])


def test_a_copy_of_file_and_log_holds_what_the_log_says(path: Path) -> None:
    run(path, 11, 12, crash=True)
    for name in (NAME, LOG):
        shutil.copy(path.with_name(name), path.with_name(name.replace("volume", "copy")))
    assert get(path.with_name("copy.sqlite"))[0] == 12


# --- files that are not what they should be -----------------------------------------------------


def test_a_second_name_forbids_writing(path: Path) -> None:
    run(path, 11)
    other = path.with_name("other.sqlite")
    os.link(path, other)
    refused(path, Invalid, "2 names")
    refused(other, Invalid, "2 names")
    assert get(other, read_only=True)[0] == 11
    other.unlink()
    assert get(path) == (11, [])


@pytest.mark.parametrize("pages", [0.01, 1, 2, 3, 10.5])
def test_a_truncated_file_says_so(path: Path, pages: float) -> None:
    run(path, 11)
    assert path.stat().st_size > 11 * PAGE_BYTES
    os.truncate(path, int(pages * PAGE_BYTES))
    refused(path, NotAVolumeFile if pages < 1 else Corrupt, "truncated" if pages >= 1 else "not a")


def test_one_missing_byte_is_a_truncated_file(path: Path) -> None:
    run(path, 11)
    os.truncate(path, path.stat().st_size - 1)
    refused(path, Corrupt, "truncated")


def test_what_is_not_sqlite_is_refused(path: Path) -> None:
    path.write_bytes(b"To whom it may concern\n" * 1000)
    refused(path, NotAVolumeFile, "not SQLite at all")
    path.write_bytes(b"")
    refused(path, NotAVolumeFile, "empty")
    path.unlink()
    path.mkdir()
    refused(path, NotAVolumeFile, "directory")


def test_another_programs_sqlite_file_is_refused(path: Path) -> None:
    path.unlink()
    edit(path, "CREATE TABLE bookmark (url TEXT)")
    refused(path, NotAVolumeFile, "another program's")


def test_a_newer_format_is_refused(path: Path) -> None:
    edit(path, "PRAGMA user_version = 2")
    refused(path, UnsupportedFormat, "format 2.*newer")


def test_an_unknown_required_feature_is_refused_by_name(path: Path) -> None:
    edit(path, "INSERT INTO feature VALUES ('time-travel', 1)")
    refused(path, UnsupportedFormat, "'time-travel'")


def test_an_unknown_optional_feature_is_none_of_our_business(path: Path) -> None:
    edit(path, "INSERT INTO feature VALUES ('time-travel', 0)")
    assert get(path) == (1, [])


def test_a_refused_feature_leaves_the_log_to_those_who_know_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(path, "INSERT INTO feature VALUES ('time-travel', 1)")
    with monkeypatch.context() as newer:
        newer.setattr(opening, "KNOWN_FEATURES", frozenset({"time-travel"}))
        run(path, 11, 12, crash=True)
    refused(path, UnsupportedFormat, "'time-travel'")
    monkeypatch.setattr(opening, "KNOWN_FEATURES", frozenset({"time-travel"}))
    assert get(path) == (12, [])


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER spy AFTER INSERT ON node BEGIN DELETE FROM edge; END",
        "CREATE VIEW spy AS SELECT * FROM node",
        "CREATE TABLE spy (id)",
        "DROP INDEX edge_by_name",
    ],
)
def test_a_schema_that_was_meddled_with_is_refused(path: Path, statement: str) -> None:
    edit(path, statement)
    refused(path, Corrupt, "schema")


def test_a_rollback_journal_is_never_applied(path: Path) -> None:
    run(path, 11)
    path.with_name(NAME + "-journal").write_bytes(b"\0" * 1024)
    refused(path, Corrupt, "-journal")


def test_a_lineage_record_that_was_edited_is_refused(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[3 * PAGE_BYTES - 100] ^= 1
    path.write_bytes(content)
    refused(path, Corrupt, "lineage")


def test_a_file_open_here_is_not_opened_twice(path: Path) -> None:
    database = open_file(path).database
    try:
        refused(path, StoreError, "already open in this process")
    finally:
        database.close()


def edit(path: Path, statement: str) -> None:
    """What somebody else may do to the file."""
    connection = apsw.Connection(str(path))
    try:
        connection.execute(statement)
    finally:
        connection.close()
