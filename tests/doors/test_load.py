"""Six doors to one volume, all writing, while the owner is killed again and again."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.cli.running import succeed
from tests.doors.crowd import Crowd
from tests.mount.mounting import Mount

# 1 is right for every day; the soak has 34: ten minutes of load, about.
SOAK = int(os.environ.get("SQLFS_SOAK", "1"))
STEPS = 200
STEPS_BETWEEN_KILLS_MAX = 60
KILLS = 4


@pytest.fixture
def seed() -> int:
    seed = int(os.environ.get("SQLFS_DOORS_SEED") or random.randrange(2**32))
    print(f"SQLFS_DOORS_SEED={seed}")
    return seed


@pytest.fixture
def crowd(mounts: list[Mount], seed: int) -> Crowd:
    return Crowd(mounts[:2], seed)


def settled(crowd: Crowd, file: Path) -> None:
    """All have ended: the file is whole and sound, and holds what it should."""
    done = crowd.done()
    print(f"{sum(done)} steps done, by each {done}; {crowd.maybes()} not known; {crowd.kills}")
    assert [path.name for path in file.parent.glob("*.sqlite*")] == [file.name]
    assert crowd.broken() == []
    assert succeed("check", "--deep", file).lines == ["no findings"]


def test_all_at_once(crowd: Crowd, mounts: list[Mount]) -> None:
    with crowd.working():
        for _ in range(SOAK):
            crowd.wait_progress(STEPS, of_each=2)
    assert crowd.maybes() == 0
    settled(crowd, mounts[0].file)


def test_owners_are_killed(crowd: Crowd, mounts: list[Mount], seed: int) -> None:
    chance = random.Random(seed)
    with crowd.working():
        for _ in range(SOAK):
            for number in range(KILLS):
                crowd.wait_progress(chance.randrange(STEPS_BETWEEN_KILLS_MAX), of_each=1)
                if number % 2:
                    crowd.kill_mounts()
                crowd.kill_owner()
            crowd.wait_progress(1, of_each=1)
    settled(crowd, mounts[0].file)
