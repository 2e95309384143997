"""Mounts for tests: sqlfs-mount as users run it, in processes that are surely gone afterwards."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.fuse_mounts import detach, mounts_below

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "fuse_driver"]
# As a user who may not be able to read the interpreter: it has read everything before.
NOBODY = 65534
AS_NOBODY = [
    sys.executable,
    "-c",
    "import os; from fuse_driver.mount import run; "
    "import email.parser, encodings.idna, getpass, importlib.metadata, inspect, shutil, socket; "
    "import subprocess; "
    f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY}); run()",
]
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}

# How long a condition may take to come true on a slow machine; nothing waits for it to pass.
DEADLINE_S = 60.0

_COMPLAINT = re.compile(r"WARNING|ERROR|CRITICAL|Traceback")


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE_S} s: {what}"
        time.sleep(0.01)


def tick() -> None:
    """Wait until the clock that stamps files has moved."""
    clock = 5  # CLOCK_REALTIME_COARSE of <linux/time.h>
    before = time.clock_gettime_ns(clock)
    wait_until(lambda: time.clock_gettime_ns(clock) > before, "the clock moved")


def raises(number: int) -> pytest.RaisesExc[OSError]:
    return pytest.raises(OSError, check=lambda error: error.errno == number)


def run(*command: str | Path, **settings: object) -> subprocess.CompletedProcess[str]:
    """A command whose failure fails the test."""
    done: subprocess.CompletedProcess[str] = subprocess.run(
        [*map(str, command)],
        **{"capture_output": True, "text": True, "timeout": DEADLINE_S, **settings},  # type: ignore[call-overload]
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done


def sqlfs_mount(
    *arguments: str | Path,
    environment: dict[str, str] | None = None,
    command: Sequence[str] = COMMAND,
    **settings: object,
) -> subprocess.CompletedProcess[str]:
    """Run sqlfs-mount without a terminal; whatever it says and answers."""
    done: subprocess.CompletedProcess[str] = subprocess.run(
        [*command, *map(str, arguments)],
        **{  # type: ignore[call-overload]
            "env": {**ENVIRONMENT, **(environment or {})},
            "stdin": subprocess.DEVNULL,
            "start_new_session": True,
            "capture_output": True,
            "text": True,
            "timeout": DEADLINE_S,
            **settings,
        },
    )
    return done


def is_running(pid: int) -> bool:
    try:
        Path(f"/proc/{pid}/exe").readlink()
    except FileNotFoundError:  # also of one that has ended and is not yet waited for
        return False
    return True


class Mount:
    """One file and one mountpoint below `place`, mounted as often as a test likes."""

    def __init__(self, place: Path) -> None:
        self.file = place / "volume.sqlite"
        self.directory = place / "mounted"
        self.log = place / "mount.log"
        self.expected: str | None = None  # what its log may complain of
        self.directory.mkdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end()
        if error is None:
            assert self.complaints() == []

    def __truediv__(self, name: str) -> Path:
        return self.directory / name

    def start(
        self, *arguments: str | Path, command: Sequence[str] = COMMAND, **settings: object
    ) -> str:
        """Mount; what the command said.  Its failure fails the test."""
        return run(
            *command, self.file, self.directory, "--log", self.log, *arguments,
            **{"env": ENVIRONMENT, "stdin": subprocess.DEVNULL, **settings},
        ).stderr  # fmt: skip

    @property
    def pid(self) -> int:
        """The process that serves the mount, or served it last."""
        return self._pids()[-1]

    def _pids(self) -> list[int]:
        return [int(pid) for pid in re.findall(r"sqlfs-mount\[(\d+)\]", self._logged())]

    def _logged(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def complaints(self) -> list[str]:
        lines = [line for line in self._logged().splitlines() if _COMPLAINT.search(line)]
        return [line for line in lines if self.expected is None or self.expected not in line]

    @property
    def is_mounted(self) -> bool:
        return bool(mounts_below(self.directory))

    def unmount(self) -> None:
        """umount(8), and wait until the file is whole."""
        run("umount", self.directory)
        self.wait_ended()

    def remount(self, *arguments: str | Path) -> None:
        self.unmount()
        self.start(*arguments)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait_ended(self) -> None:
        wait_until(lambda: not is_running(self.pid), "the daemon ends")

    def end(self) -> None:
        """Leave neither mount nor process, whatever the test did."""
        for mountpoint in mounts_below(self.directory):
            detach(mountpoint)
        for pid in set(self._pids()):
            deadline = time.monotonic() + DEADLINE_S
            while is_running(pid):
                if time.monotonic() > deadline:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(0.01)
