"""kill -9 of the process behind a mount, under several writers: what it acknowledged is there."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import sqlfs
from tests.acceptance.volumes import Volume, stored
from tests.kill.promises import Promise
from tests.mount.mounting import DEADLINE_S, ENVIRONMENT, ROOT, wait_until

# 1 is right for every day; the soak has 34: 204 rounds.
SOAK = int(os.environ.get("SQLFS_SOAK", "1"))
ROUNDS = 3 * SOAK  # of each kind of volume
WRITERS = 3
STEPS_MAX = 60  # that are acknowledged before the kill, all writers together


@pytest.fixture(params=["plain", "encrypted"])
def volume(
    request: pytest.FixtureRequest,
    fuse: None,  # noqa: ARG001
    tmp_path: Path,
) -> Iterator[Volume]:
    with Volume(tmp_path, encrypted=request.param == "encrypted") as volume:
        volume.make()
        yield volume


@contextmanager
def writing(place: Path, directories: list[Path], seed: int) -> Iterator[list[Path]]:
    """Writers in these directories; yields their logs.  All have ended afterwards."""
    logs = [place / f"{directory.parent.name}-{directory.name}.log" for directory in directories]
    writers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.kill.writer", directory, log, str(seed + number)],
            env=ENVIRONMENT, cwd=ROOT, stderr=subprocess.PIPE, text=True,
        )
        for number, (directory, log) in enumerate(zip(directories, logs, strict=True))
    ]  # fmt: skip
    try:
        yield logs
        for writer in writers:
            _, errors = writer.communicate(timeout=DEADLINE_S)
            assert (writer.returncode, errors) == (0, "")
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()


def acknowledged(logs: list[Path]) -> int:
    return sum(log.read_bytes().count(b"done ") for log in logs if log.exists())


def killed_round(volume: Volume, number: int, seed: int) -> list[tuple[Path, Promise]]:
    """Write, kill, mount again; what must be where."""
    chance = random.Random(seed)
    directories = [volume / f"round {number}" / f"writer {each}" for each in range(WRITERS)]
    for directory in directories:
        directory.mkdir(parents=True)
    wanted = chance.randrange(1, STEPS_MAX)
    with writing(volume.file.parent, directories, seed) as logs:
        wait_until(lambda: acknowledged(logs) >= wanted, f"{wanted} steps are acknowledged")
        volume.signal(signal.SIGKILL)
    volume.start()
    return [
        (directory, Promise.read(log)) for directory, log in zip(directories, logs, strict=True)
    ]


def test_what_was_acknowledged_is_there_after_each_kill(volume: Volume) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    before: list[tuple[Path, Promise]] = []
    steps = 0
    for number in range(ROUNDS):
        promised = killed_round(volume, number, seed + 100 * number)
        steps += sum(promise.acknowledged for _, promise in promised)
        # What was there before the round has survived two kills.
        for directory, promise in (*promised, *before):
            assert promise.broken_in(directory) == []
        assert volume.sqlfs("check", "--deep").lines == ["no findings"]
        before = promised
    print(f"{ROUNDS} kills, {steps} steps acknowledged")


def test_a_mount_that_was_killed_is_not_listed(volume: Volume) -> None:
    (volume / "file").write_bytes(b"kept")
    descriptor = os.open(volume / "file", os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    volume.signal(signal.SIGKILL)
    volume.wait_ended()
    # As after a reboot: no process, no socket, and a row that says otherwise.
    with sqlfs.open(volume.file) as store:
        assert store.is_owner
        assert store.mounts() == []
    volume.start()
    assert (volume / "file").read_bytes() == b"kept"
    volume.unmount()
    # The row is sealed with the volume: who unlocks that removes it.
    assert stored(volume.file, "SELECT * FROM mount") == []
