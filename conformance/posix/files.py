"""Opening and writing, in the shortest form that cases can do with."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def opened(path: str | bytes | Path, flags: int, mode: int = 0o644) -> Iterator[int]:
    """A descriptor, closed afterwards."""
    descriptor = os.open(path, flags, mode)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def pattern(length: int, seed: int = 1) -> bytes:
    """`length` bytes that repeat nowhere; the shorter is the start of the longer."""
    return random.Random(seed).randbytes(length + -length % 4)[:length]
