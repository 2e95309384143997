"""Commits and checkpoints while much is written at once."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from sqlfs.store.log import log_path
from sqlfs.volume import VolumeFile, committer
from sqlfs.volume.files import FileSystem
from tests.cli.running import wait_until

MIB = 1 << 20


@pytest.fixture
def file(tmp_path: Path) -> Iterator[VolumeFile]:
    with VolumeFile.open(tmp_path / "volume.sqlite", create=True) as file:
        file.create_volume("main")
        yield file


@pytest.fixture
def files(file: VolumeFile) -> Iterator[FileSystem]:
    with FileSystem(file.session("main")) as files:
        yield files


def test_no_transaction_outgrows_the_page_cache(
    file: VolumeFile, files: FileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer, "COMMIT_AGE_S_MAX", 3600.0)
    spilled: list[bool] = []
    file.db.on_commit.append(lambda: spilled.append(file.db.room.has_spilled()))
    with files.open("/large", "wb") as stream:
        for number in range(48):
            stream.write(random.Random(number).randbytes(MIB))
    files.sync()
    assert len(spilled) > 2
    assert not any(spilled)


def test_a_burst_without_end_is_checkpointed_at_the_bound(
    file: VolumeFile, files: FileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer, "CHECKPOINT_IDLE_S", 3600.0)
    monkeypatch.setattr(committer, "LOG_BYTES_BOUND", MIB)
    goes_on = True
    land = file.work.land
    monkeypatch.setattr(file.work, "land", lambda limit: land(limit) or goes_on)
    try:
        for number in range(3):
            files.write_bytes("/large", random.Random(number).randbytes(2 * MIB))
            files.sync()
            wait_until(lambda: file.db.log_bytes < MIB, "what was logged is in the file")
    finally:
        goes_on = False


def test_small_commits_overwrite_the_log_instead_of_having_it_grow(
    file: VolumeFile, files: FileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer, "CHECKPOINT_IDLE_S", 3600.0)
    monkeypatch.setattr(committer, "LOG_COMMITS_BOUND", 8)
    for number in range(200):
        files.write_bytes("/small", b"%d" % number)
        files.sync()
        wait_until(lambda: file.db.log_commits < 8, "what was logged is in the file")
    assert log_path(file.path).stat().st_size < MIB


def test_a_burst_marks_the_file_before_anybody_syncs(
    file: VolumeFile, files: FileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer, "CHECKPOINT_IDLE_S", 3600.0)
    file.db.checkpoint(mark=False)
    files.mkdir("/directory")
    with files.open("/large", "wb") as stream:
        stream.write(random.Random(0).randbytes(2 * MIB))
        wait_until(lambda: file.db.marked, "the file says that somebody has it open")
