"""One file is tortured, and survives remounts meanwhile."""

from __future__ import annotations

import os
from random import Random

import pytest

from tests.acceptance.volumes import SOAK, Volume
from tests.oracle.fsx import Torture

STEPS = 3000
STEPS_BEFORE_REMOUNT = 500
STEPS_BEFORE_CHECK = 25

SEEDS = [int(os.environ["SQLFS_FSX_SEED"])] if "SQLFS_FSX_SEED" in os.environ else range(SOAK)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_tortured_file_is_right(volume: Volume, seed: int) -> None:
    """Alone: SQLFS_FSX_SEED=seed pytest ..."""
    torture = Torture(volume / "tortured", Random(seed))
    try:
        torture.open()
        for count in range(1, STEPS + 1):
            torture.step()
            if count % STEPS_BEFORE_CHECK == 0:
                torture.check()
            if count % STEPS_BEFORE_REMOUNT == 0:
                torture.close()
                volume.remount()
                torture.open()
                torture.check()
    finally:
        torture.close()
