"""How far ahead of a sequential reader the kernel reads."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from sqlfs.limits import KIB, MIB

# The kernel's default of 128 KiB halves the speed of a cold sequential read.
READ_AHEAD_BYTES: Final = 2 * MIB


def widen(device: int) -> None:
    """Read ahead on the mount with this st_dev.  Only root may; for others all stays as it is."""
    setting = Path(f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb")
    with contextlib.suppress(OSError):
        setting.write_text(str(READ_AHEAD_BYTES // KIB))
