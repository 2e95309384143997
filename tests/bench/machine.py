"""What a run took place on."""

from __future__ import annotations

import datetime
import os
import platform
import re
from pathlib import Path


def describe(backing: Path) -> dict[str, str]:
    """Facts by name, for people and programs alike."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes"),
        "cpu": f"{os.cpu_count()} x {_field('/proc/cpuinfo', 'model name')}",
        "memory": _field("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "backing": _file_system(backing),
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
    }


def _field(file: str, name: str) -> str:
    found = re.search(rf"^{name}\s*:\s*(.+)$", Path(file).read_text(), re.MULTILINE)
    return found[1] if found else "unknown"


def _file_system(folder: Path) -> str:
    """Kind and device of what holds `folder`, as the kernel names them."""
    deepest, found = "", "unknown"
    for line in Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines():
        fields = line.split(" ")
        mountpoint, kind_at = fields[4], fields.index("-") + 1
        if folder.is_relative_to(mountpoint) and len(mountpoint) >= len(deepest):
            deepest, found = mountpoint, f"{fields[kind_at]} ({fields[kind_at + 1]})"
    return found
