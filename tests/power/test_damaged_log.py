"""Damage to the log that a killed owner left: what was durable is there, or its loss is told."""

from __future__ import annotations

import os
import random
from pathlib import Path

import apsw
import pytest

from sqlfs.errors import Corrupt, DamagedLog
from sqlfs.store import create_file, open_file
from tests.power.image import Image, folder_image, materialize
from tests.power.test_lineage import LOG, NAME, PAGE_BYTES, get, refused, set_value

HEADER_BYTES = 32
STRIDE = 24 + PAGE_BYTES
TAIL_BYTES = 24 + 136
ROOT = "SELECT rootpage FROM sqlite_schema WHERE name = 'reservation'"
READ_ONLY = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
# Of a log of several commits: what is flipped, by its place in a frame.
PLACES = {"page number": 0, "salts": 9, "checksum": 17, "page": 24 + 100, "end": STRIDE - 5}


@pytest.fixture
def path(disk_folder: Path) -> Path:
    path = disk_folder / NAME
    create_file(path, page_size=PAGE_BYTES)
    return path


def crashed(path: Path, *values: int, checkpoint: bool = False, sync: bool = True) -> Image:
    """What a killed owner leaves that set these values, each durable, in one log; with `checkpoint`
    the file has them too, and without `sync` the last one is in the log and not durable."""
    database = open_file(path).database
    try:
        for value in values[:-1]:
            set_value(database, value)
        if sync:
            set_value(database, values[-1])
        else:
            with database.writing():
                database.write("reservation_set", "node", values[-1])
            database.commit()
        if checkpoint:
            database.checkpoint(mark=True)
        left = folder_image(path)
    finally:
        database.close()
    materialize(left, path)
    return left


def damage(path: Path, offset: int) -> None:
    """Flip a bit of the log."""
    log = bytearray(path.with_name(LOG).read_bytes())
    log[offset] ^= 4
    path.with_name(LOG).write_bytes(log)


def root_page(path: Path) -> int:
    """Of the table that holds the value."""
    connection = apsw.Connection(path.as_uri() + "?immutable=1", flags=READ_ONLY)
    try:
        ((root,),) = connection.execute(ROOT).fetchall()
    finally:
        connection.close()
    assert isinstance(root, int)
    return root


def frames(image: Image) -> int:
    """Of a log that was never begun anew."""
    return (len(image[LOG]) - HEADER_BYTES) // STRIDE


def frame(number: int) -> int:
    return HEADER_BYTES + number * STRIDE


@pytest.mark.parametrize("place", PLACES.values(), ids=list(PLACES))
@pytest.mark.parametrize("share", [0, 0.5, 1], ids=["first", "middle", "last"])
def test_damage_is_told(path: Path, place: int, share: float) -> None:
    left = crashed(path, 11, 12, 13)
    damage(path, frame(int(share * (frames(left) - 1))) + place)
    refused(path, DamagedLog, f"{LOG} is damaged.*--accept-state")
    before = folder_image(path)
    value, notices = get(path, read_only=True)
    assert value == (12 if share == 1 else 11 if share else 1)
    assert len(notices) == 1
    assert "is damaged" in notices[0]
    assert folder_image(path) == before


def test_any_bit_of_a_log_may_flip(path: Path) -> None:
    left = crashed(path, 11, 12, 13)
    chance = random.Random(1)
    told = 0
    for _ in range(300):
        materialize(left, path)
        offset = chance.randrange(len(left[LOG]))
        damage(path, offset)
        try:
            value, notices = get(path)
        except (DamagedLog, Corrupt):
            told += 1
        else:
            in_header, in_tail = offset < HEADER_BYTES, offset >= len(left[LOG]) - TAIL_BYTES
            assert value == 13 or in_header, offset
            assert value == 13 or notices, offset
            assert value != 13 or in_tail or in_header, offset
    assert told > 250


def test_an_accepted_state_is_gone_on_from(path: Path) -> None:
    left = crashed(path, 11, 12, 13)
    damage(path, frame(frames(left) // 2))
    damaged = path.with_name(LOG).read_bytes()
    value, notices = get(path, accept_state=True)
    assert value == 11
    assert len(notices) == 1
    assert path.with_name(LOG + ".damaged-1").read_bytes() == damaged
    assert get(path) == (11, [])


def test_what_follows_an_accepted_state_is_not_taken_for_damage(path: Path) -> None:
    left = crashed(path, 11, 12, 13, 14, 15)
    damage(path, frame(3))
    database = open_file(path, accept_state=True).database
    try:
        with database.writing():
            database.write("reservation_set", "node", 21)
        database.sync(database.commit())
        again = folder_image(path)
    finally:
        database.close()
    assert again[LOG][frame(frames(left) - 1) :] == left[LOG][frame(frames(left) - 1) :]
    materialize(again, path)
    assert get(path) == (21, [])


def test_what_was_not_yet_durable_may_be_missing(path: Path) -> None:
    left = crashed(path, 11, 12, sync=False)
    damage(path, frame(frames(left) - 1))
    assert get(path) == (11, [])


def test_a_log_that_was_cut_off_tells_nothing(path: Path) -> None:
    # Nothing is left that could tell it from a log that lost its end with the power.
    left = crashed(path, 11, 12, 13)
    os.truncate(path.with_name(LOG), frame(frames(left) - 1))
    assert get(path) == (12, [])


def test_without_a_tail_the_last_commit_tells_of_those_before_it(path: Path) -> None:
    left = crashed(path, 11, 12, 13)
    left[LOG] = left[LOG][:-TAIL_BYTES]
    materialize(left, path)
    damage(path, frame(frames(left) - 1))
    assert get(path) == (12, [])
    materialize(left, path)
    damage(path, frame(2))
    refused(path, DamagedLog, "is damaged")


def test_a_damaged_log_that_the_file_has_in_it_is_not_needed(path: Path) -> None:
    crashed(path, 11, 12, 13, checkpoint=True)
    damage(path, frame(2))
    damaged = path.with_name(LOG).read_bytes()
    assert get(path, read_only=True) == (13, [])
    value, notices = get(path)
    assert value == 13
    assert len(notices) == 1
    assert "is damaged; it is now" in notices[0]
    assert path.with_name(LOG + ".unmatched-1").read_bytes() == damaged
    assert get(path) == (13, [])


def test_a_file_that_has_a_part_of_its_damaged_log_in_it_is_torn(path: Path) -> None:
    crashed(path, 11)
    assert get(path) == (11, [])
    before = path.read_bytes()
    left = crashed(path, 12, 13, checkpoint=True)
    # One page was not written when the power went.
    root = root_page(path)
    page = slice((root - 1) * PAGE_BYTES, root * PAGE_BYTES)
    after = bytearray(left[NAME])
    after[page] = before[page]
    left[NAME] = bytes(after)
    materialize(left, path)
    assert get(path) == (13, [])
    materialize(left, path)
    damage(path, frame(2))
    value, notices = get(path)
    assert value == 11
    assert len(notices) == 1
    assert "is torn" in notices[0]
    assert folder_image(path) == {**left, LOG: path.with_name(LOG).read_bytes()}
    value, _ = get(path, accept_state=True)
    assert value == 11
    assert get(path) == (11, [])
