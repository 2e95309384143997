"""What a file and the log beside it are: the document's rules against the implementation."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
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
    durable_log: bytes  # the same, when "c" was made durable
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
        file.db.sync()
        logs.append(log.read_bytes())
        file.checkpoint()
        later = path.read_bytes()
        put(session, b"d", (0, b"4"))
        file.commit()
        logs.append(log.read_bytes())
    return Found(path, closed, logs[0], in_use, *logs[1:4], later, logs[4])


def whole(log: bytes) -> bytes:
    return log


def cut(length: int) -> Damage:
    return lambda log: log[:length]


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


def not_a_log(_: bytes) -> bytes:
    return b"somebody put this here, under the name of a log"


def header_alone_damaged(log: bytes) -> bytes:
    return flipped(24)(log[: lineage.HEADER_BYTES])


ASIDE = ".unmatched-1"
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
    "an emptied log": ("in_use", "log", cut(0), Log.ABSENT),
    "a log cut within its header": ("in_use", "log", cut(31), Log.ABSENT),
    "a damaged header alone": ("in_use", "log", header_alone_damaged, Log.ABSENT),
    "a log just begun": ("in_use", "log", cut(32), Log.EMPTY),
    "a log just begun anew": ("in_use", "log", other_salts, Log.EMPTY),
    "another magic": ("in_use", "log", flipped(2), Log.UNREADABLE),
    "another page size": ("in_use", "log", other_page_size, Log.UNREADABLE),
    "another checkpoint number": ("in_use", "log", flipped(15), Log.UNREADABLE),
    "another header's checksum": ("in_use", "log", flipped(24), Log.UNREADABLE),
    "no log by that name": ("in_use", "log", not_a_log, Log.UNREADABLE),
    "closed, an emptied log": ("closed", "log", cut(0), Log.ABSENT),
    "closed, a log just begun": ("closed", "log", cut(32), Log.EMPTY),
    "closed, a damaged header alone": ("closed", "log", header_alone_damaged, Log.ABSENT),
    "closed, another header's checksum": ("closed", "log", flipped(24), Log.UNREADABLE),
    "closed, no log by that name": ("closed", "log", not_a_log, Log.UNREADABLE),
    "a durable log": ("in_use", "durable_log", whole, Log.OWN),
    "a damaged log": ("in_use", "durable_log", flipped(IN_FIRST_FRAME), Log.DAMAGED),
    "a log without its first frame": ("in_use", "durable_log", flipped(40), Log.DAMAGED),
    "damage to what was not durable": ("in_use", "log", flipped(IN_FIRST_FRAME), Log.OWN),
    "a damaged log that was just copied": (
        "in_use",
        "log_at_checkpoint",
        flipped(IN_FIRST_FRAME),
        Log.DAMAGED_COPIED,
    ),
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

    @property
    def set_aside(self) -> bool:
        """Whether the rules have the log moved away before SQLite reads."""
        return self.log in (Log.FOREIGN, Log.UNREADABLE, Log.DAMAGED_COPIED)


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
    adds = judged is State.WITH_LOG and log is not None and lineage.committed(log) > 0
    shown = NAMES[state_name][adds and log_name != "log_at_checkpoint"]
    return Case(path, expected_log, judged, shown)


def folder(path: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in path.parent.iterdir()}


@pytest.mark.parametrize("scenario", LOGS)
def test_opening_for_writing(case: Case) -> None:
    before = folder(case.path)
    if case.state in (State.LOG_LOST, State.LOG_DAMAGED):
        with pytest.raises(MissingLog, match=r"-wal"):
            VolumeFile.open(case.path, background=False)
        assert folder(case.path) == before
        return
    with VolumeFile.open(case.path, background=False) as file:
        assert names(file.session(VOLUME)) == case.names
        expected = ["is a copy"] * (case.state is State.COPY) + [ASIDE] * case.set_aside
        assert len(file.notices) == len(expected)
        assert all(said in notice for said, notice in zip(expected, file.notices, strict=True))
    after, log = folder(case.path), case.path.name + "-wal"
    if case.set_aside:
        assert after.pop(log + ASIDE) == before[log]
    assert after.keys() == before.keys() - {log}


@pytest.mark.parametrize("scenario", LOGS)
def test_opening_for_reading_changes_no_byte(case: Case) -> None:
    before = folder(case.path)
    with VolumeFile.open(case.path, background=False, read_only=True) as file:
        assert names(file.session(VOLUME)) == case.names
        assert check_file(file, deep=True) == []
        told = case.state in (State.COPY, State.LOG_LOST, State.LOG_DAMAGED)
        assert len(file.notices) == told
        assert folder(case.path).keys() == before.keys()
    assert folder(case.path) == before


LOST = ["no log", "an emptied log", "another header's checksum", "an earlier log"]


@pytest.mark.parametrize("scenario", LOST)
def test_a_state_that_was_accepted(case: Case) -> None:
    before = folder(case.path)
    with VolumeFile.open(case.path, background=False, accept_state=True) as file:
        assert names(file.session(VOLUME)) == case.names
    log = case.path.name + "-wal"
    assert folder(case.path).get(log + ASIDE) == (before[log] if case.set_aside else None)
    with VolumeFile.open(case.path, background=False) as file:
        assert (names(file.session(VOLUME)), file.notices) == (case.names, [])


def test_a_log_is_emptied_beside_an_unmarked_file_only(path: Path) -> None:
    log = path.with_name(path.name + "-wal")
    with create(path, PLAIN) as file:
        session = file.session(VOLUME)
        put(session, b"a", (0, b"1"))
        session.sync()
        assert lineage.in_file(path.read_bytes()).marked == 1
        file.db.shrink_log()
        emptied = path.read_bytes()
        assert (lineage.in_file(emptied).marked, log.stat().st_size) == (0, 0)
        put(session, b"b", (0, b"2"))
        session.sync()
        assert lineage.in_file(path.read_bytes()).marked == 1, "before it is acknowledged"
        assert lineage.judge_log(path.read_bytes(), log.read_bytes()) is Log.OWN
    path.write_bytes(emptied)
    log.touch()
    with VolumeFile.open(path, background=False) as file:
        assert (names(file.session(VOLUME)), file.notices) == ([b"a"], [])


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
            *records, last, tail = lineage.in_log(log.read_bytes()).values()
            assert {record.base for record in (*records, last, tail)} == {base.id}
            assert lineage.in_file(path.read_bytes()) == last
            assert tail == replace(last, synced=last.generation)


def test_a_file_cut_short_is_whole_with_its_log_only(found: Found) -> None:
    log = found.path.with_name(found.path.name + "-wal")
    with found.path.open("r+b") as file:
        file.truncate(file.write(found.in_use) - 1)
    log.write_bytes(found.log)
    with VolumeFile.open(found.path, background=False) as opened:
        assert names(opened.session(VOLUME)) == [b"a", b"b", b"c"]
