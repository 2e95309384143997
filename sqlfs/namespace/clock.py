"""The one clock that stamps nodes."""

from __future__ import annotations

import time

_CLOCK_REALTIME_COARSE = 5  # <linux/time.h>; the time module has no name for it
_NS_MAX = 2**63 - 1


def now_ns() -> int:
    """The time that the kernel itself stamps with, in ns.

    Coarse (a few ms), as the kernel's: at a mount it sends some of the times itself, and a finer
    clock here would put them before times that were given earlier.
    """
    return time.clock_gettime_ns(_CLOCK_REALTIME_COARSE)


def kept_ns(time_ns: int) -> int:
    """What is kept of a time that somebody sets: a row holds 64 bits, and the nearest of them
    stands for what lies beyond, as on other file systems."""
    return max(-_NS_MAX - 1, min(_NS_MAX, time_ns))
