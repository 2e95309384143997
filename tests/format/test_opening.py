"""What a file and the log beside it are: the document's rules against the implementation."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from sqlfs.errors import MissingLog
from sqlfs.maintenance import check_file
from sqlfs.volume import VolumeFile
from tests.format import lineage
from tests.format.lineage import Log, State
from tests.format.volumes import VOLUME, Kind, create, names, put

PLAIN = Kind()

Damage = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Found:
    """A life of one file: what file and log held when.  Each log belongs to the file before it."""

    path: Path
    closed: bytes  # holds "a"
    log_of_closed: bytes  # goes on from there to "b", before the first checkpoint
    in_use: bytes  # holds "b"
    log_at_checkpoint: bytes  # ends in that state
    log: bytes  # goes on from there to "c"
    later: bytes  # holds "c"
    later_log: bytes  # goes on from there to "d"


@pytest.fixture
def found(path: Path) -> Found:
    log = path.with_name(path.name + "-wal")
    with create(path, PLAIN) as file:
        put(file.session(VOLUME), b"a", (0, b"1"))
    closed = path.read_bytes()
    with VolumeFile.open(path, background=False) as file:
        session = file.session(VOLUME)
        put(session, b"b", (0, b"2"))
        file.commit()
        logs = [log.read_bytes()]
        file.checkpoint()
        in_use = path.read_bytes()
        logs.append(log.read_bytes())
        put(session, b"c", (0, b"3"))
        file.commit()
        logs.append(log.read_bytes())
        file.checkpoint()
        later = path.read_bytes()
        put(session, b"d", (0, b"4"))
        file.commit()
        logs.append(log.read_bytes())
    return Found(path, closed, logs[0], in_use, logs[1], logs[2], later, logs[3])


def whole(log: bytes) -> bytes:
    return log


def nothing(_: bytes) -> bytes:
    return b""


def header_alone(log: bytes) -> bytes:
    return log[: lineage.HEADER_BYTES]


def flipped(offset: int) -> Damage:
    def damaged(log: bytes) -> bytes:
        return log[:offset] + bytes([log[offset] ^ 1]) + log[offset + 1 :]

    return damaged


def other_page_size(log: bytes) -> bytes:
    header = log[:8] + struct.pack(">I", 512) + log[12:24]
    return header + struct.pack(">II", *lineage.checksum(log, header)) + log[32:]


def other_salts(log: bytes) -> bytes:
    """As when a log has begun anew, and nothing was written to it yet."""
    header = log[:16] + bytes(8)
    return header + struct.pack(">II", *lineage.checksum(log, header)) + log[32:]


IN_FIRST_FRAME = lineage.HEADER_BYTES + lineage.FRAME_HEADER_BYTES + 1

# file, log, what is done to the log, what the log is then
LOGS: dict[str, tuple[str, str | None, Damage, Log]] = {
    "closed, no log": ("closed", None, whole, Log.ABSENT),
    "closed, then opened": ("closed", "log_of_closed", whole, Log.OWN),
    "closed, a later log": ("closed", "log", whole, Log.FOREIGN),
    "no log": ("in_use", None, whole, Log.ABSENT),
    "log": ("in_use", "log", whole, Log.OWN),
    "log that was just copied": ("in_use", "log_at_checkpoint", whole, Log.OWN),
    "an earlier log": ("in_use", "log_of_closed", whole, Log.FOREIGN),
    "a later log": ("in_use", "later_log", whole, Log.FOREIGN),
    "an earlier log of a later file": ("later", "log", whole, Log.FOREIGN),
    "a later file and log": ("later", "later_log", whole, Log.OWN),
    "an emptied log": ("in_use", "log", nothing, Log.EMPTY),
    "a log just begun": ("in_use", "log", header_alone, Log.EMPTY),
    "a log just begun anew": ("in_use", "log", other_salts, Log.EMPTY),
    "another magic": ("in_use", "log", flipped(2), Log.ABSENT),
    "another page size": ("in_use", "log", other_page_size, Log.ABSENT),
    "another checkpoint number": ("in_use", "log", flipped(15), Log.ABSENT),
    "another header's checksum": ("in_use", "log", flipped(24), Log.ABSENT),
    "a foreign log without a whole transaction": (
        "in_use",
        "later_log",
        flipped(IN_FIRST_FRAME),
        Log.EMPTY,
    ),
}

# What of the file's life is seen, without and with the log.
NAMES = {"closed": ([b"a"], [b"a", b"b"])}
NAMES["in_use"] = (NAMES["closed"][1], [b"a", b"b", b"c"])
NAMES["later"] = (NAMES["in_use"][1], [b"a", b"b", b"c", b"d"])


@dataclass(frozen=True)
class Case:
    path: Path
    log: Log
    state: State
    names: list[bytes]


@pytest.fixture(params=["volume.sqlite", "copy.sqlite"])
def case(request: pytest.FixtureRequest, found: Found, scenario: str) -> Case:
    """A file with a log beside it, and what the rules make of them."""
    state_name, log_name, damage, expected_log = LOGS[scenario]
    file: bytes = getattr(found, state_name)
    path = found.path.with_name(request.param)
    path.touch()
    with path.open("r+b") as there:  # the same inode
        there.truncate(there.write(file))
    log = None if log_name is None else damage(getattr(found, log_name))
    if log is not None:
        path.with_name(path.name + "-wal").write_bytes(log)

    assert lineage.judge_log(file, log) is expected_log
    own = lineage.in_file(found.in_use).identity
    assert own[0] == found.path.stat().st_ino
    identity = own if path == found.path else (path.stat().st_ino, own[1])
    judged = lineage.judge(file, log, identity)
    shown = NAMES[state_name][judged is State.WITH_LOG]
    if expected_log is Log.OWN and log_name == "log_at_checkpoint":
        shown = NAMES[state_name][0]  # the log adds nothing
    return Case(path, expected_log, judged, shown)


def folder(path: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in path.parent.iterdir()}


@pytest.mark.parametrize("scenario", LOGS)
def test_opening_for_writing(case: Case) -> None:
    before = folder(case.path)
    if case.state is State.LOG_LOST:
        with pytest.raises(MissingLog, match=r"-wal"):
            VolumeFile.open(case.path, background=False)
        assert folder(case.path) == before
        return
    with VolumeFile.open(case.path, background=False) as file:
        assert names(file.session(VOLUME)) == case.names
        told = [notice for notice in file.notices if "is a copy" in notice]
        assert len(told) == (case.state is State.COPY)
    log = case.path.name + "-wal"
    assert not case.path.with_name(log).exists()
    aside = folder(case.path).get(log + ".unmatched-1")
    assert aside == (before[log] if case.log is Log.FOREIGN else None)


@pytest.mark.parametrize("scenario", LOGS)
def test_opening_for_reading_changes_no_byte(case: Case) -> None:
    before = folder(case.path)
    with VolumeFile.open(case.path, background=False, read_only=True) as file:
        assert names(file.session(VOLUME)) == case.names
        assert check_file(file, deep=True) == []
        assert len(file.notices) == (case.state in (State.COPY, State.LOG_LOST))
        assert folder(case.path).keys() == before.keys()
    assert folder(case.path) == before


@pytest.mark.parametrize("scenario", ["no log", "another header's checksum", "an earlier log"])
def test_a_state_that_was_accepted(case: Case) -> None:
    with VolumeFile.open(case.path, background=False, accept_state=True) as file:
        assert names(file.session(VOLUME)) == case.names
    with VolumeFile.open(case.path, background=False) as file:
        assert (names(file.session(VOLUME)), file.notices) == (case.names, [])


def test_every_record_of_a_log_names_the_state_it_continues(path: Path) -> None:
    log = path.with_name(path.name + "-wal")
    with create(path, PLAIN) as file:
        file.checkpoint()
    with VolumeFile.open(path, background=False) as file:
        session = file.session(VOLUME)
        for number in range(3):
            base = lineage.in_file(path.read_bytes())
            for each in (b"x", b"y"):
                put(session, each + b"%d" % number, (0, each))
                file.commit()
            file.checkpoint()
            records = list(lineage.in_log(log.read_bytes()))
            assert len(records) >= 2
            assert {record.base for record in records} == {base.id}
            assert lineage.in_file(path.read_bytes()) == records[-1]


def test_a_file_cut_short_is_whole_with_its_log_only(found: Found) -> None:
    log = found.path.with_name(found.path.name + "-wal")
    with found.path.open("r+b") as file:
        file.truncate(file.write(found.in_use) - 1)
    log.write_bytes(found.log)
    with VolumeFile.open(found.path, background=False) as opened:
        assert names(opened.session(VOLUME)) == [b"a", b"b", b"c"]
