"""Several processes in one tree at once: nothing fails, nothing leaks, all of it stays."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.acceptance.volumes import SOAK, Volume
from tests.mount.mounting import ENVIRONMENT
from tests.oracle import stress
from tests.oracle.tree import contents, contradictions

PROCESSES = 5
STEPS = 400


def test_a_tree_that_many_change_at_once_is_sound(volume: Volume) -> None:
    top = volume / "top"
    top.mkdir()
    stress.prepare(top)
    seeds = range(1, PROCESSES + 1)
    _run(top, seeds, STEPS * SOAK)
    assert contradictions(top) == []
    assert _each_record_once(top, seeds)
    before = contents(top)
    assert len(before) > PROCESSES

    volume.unmount()
    volume.sqlfs("check", "--deep")
    volume.start()
    assert contents(top) == before
    assert contradictions(top) == []


def _run(top: Path, seeds: Sequence[int], steps: int) -> None:
    """All processes at once, none of which may meet what is not expected."""
    command = [sys.executable, "-m", "tests.oracle.stress", str(top)]
    running: list[subprocess.Popen[str]] = []
    try:
        for seed in seeds:
            running.append(
                subprocess.Popen(
                    [*command, str(seed), str(steps)],
                    env=ENVIRONMENT,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
            )
        said = dict(zip(seeds, (process.communicate()[0] for process in running), strict=True))
        assert {seed: what for seed, what in said.items() if what} == {}
        assert [process.returncode for process in running] == [0] * len(running)
    finally:
        for process in running:
            process.kill()
            process.wait()


def _each_record_once(top: Path, seeds: Sequence[int]) -> bool:
    """Whether no append overwrote another, or was lost."""
    data = (top / stress.LOG).read_bytes()
    size = stress.RECORD_BYTES
    found = [data[at : at + size] for at in range(0, len(data), size)]
    counts = Counter(int(record.split()[0]) for record in found)
    wanted = [stress.record(seed, number) for seed in seeds for number in range(counts[seed])]
    return all(counts[seed] for seed in seeds) and sorted(found) == sorted(wanted)
