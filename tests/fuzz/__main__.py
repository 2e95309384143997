"""Trying mutants out by hand: ``python -m tests.fuzz SEED...``, or ``FIRST-LAST``; with
``--salvage`` they are salvaged, instead of opened.

Says what became of each, and at the end how many of each outcome there were.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.fuzz.nursery import Nursery

_TOLD_EACH: Final = 250


def seeds(words: list[str]) -> Iterator[int]:
    for word in words:
        first, _, last = word.partition("-")
        yield from range(int(first), int(last or first) + 1)


def main() -> int:
    words = sys.argv[1:]
    salvaged = "--salvage" in words
    wanted = list(seeds([word for word in words if word != "--salvage"]))
    outcomes: Counter[str] = Counter()
    seconds, peak = 0.0, 0

    def summary() -> str:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
        return f"{counts}; slowest {seconds:.1f} s, largest {peak >> 20} MiB"

    judging = "tests.salvage.judge" if salvaged else "tests.fuzz.judge"
    with tempfile.TemporaryDirectory() as place, Nursery.start(Path(place), judging) as nursery:
        for verdict in nursery.verdicts(wanted):
            outcomes["PROBLEM" if verdict["problems"] else verdict["outcome"]] += 1
            seconds, peak = max(seconds, verdict["seconds"]), max(peak, verdict["bytes"])
            if outcomes.total() % _TOLD_EACH == 0:
                print(summary(), flush=True)
            if verdict["problems"] or len(wanted) == 1:
                print(verdict["name"], verdict["outcome"], sep=" -> ")
                for line in verdict["problems"]:
                    print("   problem:", line)
                for line in verdict["told"] if len(wanted) == 1 else ():
                    print("   told:", line)
    print(summary())
    return 1 if outcomes["PROBLEM"] else 0


if __name__ == "__main__":
    sys.exit(main())
