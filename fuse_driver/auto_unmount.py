"""Mount option auto_unmount: what a process that dies leaves mounted is taken off at once."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from fuse_driver import mountpoint
from fuse_driver.loop import END_SIGNALS


def after_death(directory: Path) -> None:
    """Fork a process that takes a dead mount off `directory` when this one has ended.

    To be called before anything is opened and before there are threads.
    """
    # Closed by nobody but the kernel, at the end of this process, whatever ends it.
    reading, writing = os.pipe()
    if os.fork():
        os.close(reading)
        return
    try:
        os.close(writing)
        _settle()
        os.read(reading, 1)
        mountpoint.detach_dead(directory)
    finally:
        os._exit(0)


def _settle() -> None:
    """Outlive what ends the other process, and hold nothing that somebody waits for."""
    os.setsid()
    os.chdir("/")
    for number in END_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
