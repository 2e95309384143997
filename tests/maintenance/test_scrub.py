"""A scrub reads everything once, tells what is damaged, and can be stopped and gone on with."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from sqlfs.maintenance.scrub import Scrub
from tests.format.tampering import flip, stored
from tests.format.volumes import (
    CHUNK,
    VOLUME,
    Kind,
    content,
    create,
    noise,
    opened,
    put,
    row_of,
)

FILES = 20


@pytest.fixture
def rows(path: Path, kind: Kind) -> list[int]:
    """Files of one chunk and of one manifest; the rows of the pieces."""
    with create(path, kind) as file:
        session = file.session(VOLUME, passphrase=kind.passphrase)
        for n in range(FILES):
            put(session, b"%d" % n, (0, noise(2100 + n)))
        put(session, b"two", (0, noise(2 * CHUNK)))
    return [row["id"] for row in stored(path, "SELECT id FROM chunk ORDER BY id")]


def test_a_sound_file(path: Path, kind: Kind, rows: list[int]) -> None:
    with opened(path, kind) as (file, _):
        scrub = Scrub(file)
        assert scrub.status().state == "never"
        scrub.start(0)
        assert scrub.wait(60)
        status = scrub.status()
    assert (status.state, status.findings) == ("done", [])
    assert status.done == status.total == len(rows)
    assert status.bytes >= sum(2100 + n for n in range(FILES)) + 2 * CHUNK
    assert 0 < status.started_ns < status.ended_ns


def test_damage_is_told_with_its_place(
    path: Path, kind: Kind, rows: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    assert rows
    flip(path, "chunk_data", "id", row_of(path, kind, noise(2103)))
    with opened(path, kind) as (file, session):
        scrub = Scrub(file)
        caplog.clear()
        scrub.start(0)
        assert scrub.wait(60)
        (finding,) = scrub.status().findings
        assert finding.message.startswith("'/3' of volume 'main', bytes 0 to 2102: ")
        assert any("'/3'" in record.message for record in caplog.records)
        # It was met: storing the same bytes again mends it.
        put(session, b"again", (0, noise(2103)))
        session.sync()
        assert content(session, b"3") == noise(2103)
        scrub.start(0)
        assert scrub.wait(60)
        assert scrub.status().findings == []


def test_it_goes_on_where_it_was_stopped(path: Path, kind: Kind, rows: list[int]) -> None:
    with opened(path, kind) as (file, _):
        scrub = Scrub(file)
        scrub.start(1)  # a byte per second: it rests after the first piece until it is stopped
        met = threading.Event()
        while scrub.status().done == 0:
            met.wait(0.01)
        stopped = scrub.stop()
        assert stopped.state == "stopped"
        assert 0 < stopped.done < len(rows)
        scrub.start(0)
        assert scrub.wait(60)
        assert scrub.status().done == len(rows), "no piece was read twice"
        assert scrub.status().state == "done"


def test_the_rate_can_be_changed_while_it_runs(path: Path, kind: Kind, rows: list[int]) -> None:
    with opened(path, kind) as (file, _):
        scrub = Scrub(file)
        scrub.start(1)
        assert scrub.start(2).rate == 2
        assert scrub.stop().rate == 2
    assert rows
