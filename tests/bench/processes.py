"""What a daemon and the processes that it started cost, as the kernel counts it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_POLL_S = 0.005
# Derives a key with all the care that its makers found right, on a slow machine.
READY_S_MAX = 120.0
# Writes back what it has put off.
END_S_MAX = 300.0


class DaemonFailed(Exception):
    """A subject's process did not do what it was started for."""


class Daemon:
    """A command in the foreground that serves a mount at `mountpoint`."""

    def __init__(
        self,
        command: Sequence[str],
        mountpoint: Path,
        log: Path,
        *,
        said: bytes = b"",
        environment: dict[str, str] | None = None,
    ) -> None:
        """Start it, say `said` on its standard input, and wait until it has mounted."""
        self._mountpoint = mountpoint
        self._log = log
        self._cpu_s_at_start = 0.0
        self._cpu_s_at_end = 0.0
        self._peak_bytes = 0
        self._has_mounted = False
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        assert self._process.stdin
        with suppress(BrokenPipeError):
            self._process.stdin.write(said)
            self._process.stdin.close()
        try:
            self._wait_until_mounted()
        except BaseException:
            self.end()
            raise

    def _wait_until_mounted(self) -> None:
        deadline = time.monotonic() + READY_S_MAX
        while not is_mounted(self._mountpoint):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise DaemonFailed(f"could not be mounted: {self._last_words()}")
            time.sleep(_POLL_S)
        self._has_mounted = True

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")

    def start(self) -> None:
        self._cpu_s_at_start = self.cpu_s_so_far()
        self._peak_bytes = 0
        for pid in self._pids():
            forget_peak(pid)

    def stop(self) -> None:
        self._peak_bytes = max(self._peak_bytes, sum(map(peak_bytes, self._pids())))

    @property
    def cpu_s(self) -> float:
        """From :meth:`start` to the end."""
        return self._cpu_s_at_end - self._cpu_s_at_start

    @property
    def peak_bytes(self) -> int:
        """As of the last :meth:`stop`; processes added up."""
        return self._peak_bytes

    def end(self) -> None:
        """Unmount, and wait until the process is done; kill it if that takes too long."""
        with suppress(ProcessLookupError):
            self._cpu_s_at_end = self.cpu_s_so_far()
        unmounted = unmount(self._mountpoint)
        ends_by_itself = self._has_mounted and unmounted
        deadline = time.monotonic() + (END_S_MAX if ends_by_itself else 0.0)
        while self._process.returncode is None:
            pid, status, usage = os.wait4(self._process.pid, os.WNOHANG)
            if pid:
                self._process.returncode = os.waitstatus_to_exitcode(status)
                # What outlived its parent is missing there, but was seen before.
                total = usage.ru_utime + usage.ru_stime
                self._cpu_s_at_end = max(self._cpu_s_at_end, total)
            elif time.monotonic() > deadline:
                os.killpg(self._process.pid, signal.SIGKILL)
                deadline = time.monotonic() + END_S_MAX
            else:
                time.sleep(_POLL_S)
        if not unmounted:
            subprocess.run(["fusermount3", "-u", "-z", self._mountpoint], capture_output=True)

    def _pids(self) -> list[int]:
        found = [self._process.pid]
        for pid in found:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                with suppress(OSError):
                    found += map(int, children.read_text().split())
        return found

    def cpu_s_so_far(self) -> float:
        """Of all processes, since they began."""
        return sum(map(_cpu_s, self._pids()))


def is_mounted(directory: Path) -> bool:
    try:
        return directory.is_mount()
    except OSError:
        return True  # and dead


def unmount(directory: Path) -> bool:
    """Whether nothing is mounted there any more; a moment of others' looking is waited for."""
    deadline = time.monotonic() + END_S_MAX
    while is_mounted(directory):
        subprocess.run(["fusermount3", "-u", "--", directory], capture_output=True)
        if time.monotonic() > deadline:
            return False
        if is_mounted(directory):
            time.sleep(_POLL_S)
    return True


def _cpu_s(pid: int) -> float:
    """Of one process and of those of its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS_PER_S


def forget_peak(pid: int) -> None:
    """From now on, the peak is what is resident now."""
    with suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_bytes(pid: int) -> int:
    """The most that was resident at a time since the process began, or was told to forget."""
    with suppress(OSError):
        status = Path(f"/proc/{pid}/status").read_text()
        if found := re.search(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE):
            return int(found[1]) * 1024
    return 0
