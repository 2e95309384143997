"""Steps that showed a difference, taken again: which of them does it need?"""

from __future__ import annotations

import time
from collections.abc import Sequence

from tests.oracle.pair import REMOUNT, Pair, Step, shown

# The clock that stamps files, of <linux/time.h>: it moves once in some milliseconds.
_CLOCK_REALTIME_COARSE = 5


def fewest(pair: Pair, steps: Sequence[Step]) -> list[str]:
    """The steps without which no difference shows, and that difference, a line each."""
    found = replay(pair, steps)
    if not found:
        return ["it did not show again having done", *map(shown, steps)]
    kept, length = list(steps), len(steps) // 2
    while length:
        begin = 0
        while begin < len(kept):
            fewer = kept[:begin] + kept[begin + length :]
            if lines := replay(pair, fewer):
                kept, found = fewer, lines
            else:
                begin += length
        length //= 2
    return [*map(shown, kept), *found]


def replay(pair: Pair, steps: Sequence[Step]) -> list[str]:
    """Take `steps` in a fresh directory; the first differences that show."""
    example = pair.example()
    try:
        for step in steps:
            if step == REMOUNT:
                pair.remount()
            else:
                mount, oracle = example.take(step)
                if mount != oracle:
                    return [f"{step[0]}: {shown(mount)} for {shown(oracle)}"]
            if lines := example.differences():
                return lines
            tick()
        return []
    finally:
        example.close()


def tick() -> None:
    """Wait until the clock that stamps files has moved: the next step has a time of its own."""
    before = time.clock_gettime_ns(_CLOCK_REALTIME_COARSE)
    while time.clock_gettime_ns(_CLOCK_REALTIME_COARSE) == before:
        time.sleep(0.0005)
