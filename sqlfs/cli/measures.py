"""Sizes and times, to and from what people write."""

from __future__ import annotations

import re
import time
from typing import Final

from sqlfs.errors import UsageError

_NS: Final = 1_000_000_000
_UNITS: Final = "KMGTPE"
_SIZE: Final = re.compile(rf"(\d+)([{_UNITS}]?)(?:iB)?", re.IGNORECASE)


def parse_size(text: str) -> int:
    """Bytes from a number with an optional unit, a power of 1024: ``4096``, ``256K``, ``1MiB``.

    Raises UsageError.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is not a size; give bytes, or a number with K, M or G")
    power = _UNITS.index(match[2].upper()) + 1 if match[2] else 0
    return int(match[1]) << (10 * power)


def short_size(size: int) -> str:
    """Bytes with a unit of a power of 1024, in at most four digits and a point: ``1.5M``."""
    if size < 1024:
        return str(size)
    value = float(size)
    for unit in _UNITS:
        value /= 1024
        if value < 999.5:
            return f"{value:.1f}{unit}" if value < 9.95 else f"{value:.0f}{unit}"
    return str(size)


def minute(time_ns: int) -> str:
    """Local time, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(time_ns // _NS))


def instant(time_ns: int) -> str:
    """Local time, to the nanosecond, with its offset from UTC."""
    local = time.localtime(time_ns // _NS)
    day, zone = time.strftime("%Y-%m-%d %H:%M:%S", local), time.strftime("%z", local)
    return f"{day}.{time_ns % _NS:09d} {zone}"
