"""Mutants of sound files are salvaged: nothing comes out that never was, and nothing crashes."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from tests.fuzz.nursery import Nursery

# 1 is right for every day; the soak has 34.
SOAK = int(os.environ.get("SQLFS_SOAK", "1"))
FIRST = 5_000_000
SEEDS = 60


def test_mutants(tmp_path: Path) -> None:
    """`python -m tests.fuzz --salvage SEED` replays the one that fails."""
    failed = []
    outcomes: Counter[str] = Counter()
    with Nursery.start(tmp_path, "tests.salvage.judge") as nursery:
        for verdict in nursery.verdicts(range(FIRST, FIRST + SEEDS * SOAK)):
            outcomes[verdict["outcome"]] += 1
            if verdict["problems"]:
                failed.append(f"{verdict['name']}: " + "\n".join(verdict["problems"]))
    print(dict(outcomes))
    assert failed == []
    # A harness that refuses or accepts all that it makes tries nothing.
    assert {"equal", "told"} <= outcomes.keys()
