"""Malformed files: thousands of mutants of sound ones, of which none may be believed."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from tests.fuzz.nursery import Nursery

# 1 is right for every day; the soak has 34.
SOAK = int(os.environ.get("SQLFS_SOAK", "1"))
BLOCKS = 3
BLOCK_SEEDS = 100


@pytest.mark.parametrize("block", range(BLOCKS))
def test_mutants(tmp_path: Path, block: int) -> None:
    """`python -m tests.fuzz SEED` replays the one that fails."""
    first = block * 1_000_000
    failed = []
    outcomes: Counter[str] = Counter()
    with Nursery.start(tmp_path) as nursery:
        for verdict in nursery.verdicts(range(first, first + BLOCK_SEEDS * SOAK)):
            outcomes[verdict["outcome"]] += 1
            if verdict["problems"]:
                failed.append(f"{verdict['name']}: " + "\n".join(verdict["problems"]))
    print(dict(outcomes))
    assert failed == []
    # A harness that refuses or accepts all that it makes tries nothing.
    assert {"refused", "equal", "told", "forged"} <= outcomes.keys()
