"""Subjects that are directories: file systems that a daemon mounts, and the native one."""

from __future__ import annotations

import os
import shutil
import subprocess
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.processes import Daemon
from tests.bench.subject import Cost, Subject, Use

PASSPHRASE = b"correct horse battery staple\n"


@dataclass(frozen=True)
class Places:
    """What lies where in a subject's folder, as commands want to be told."""

    folder: Path

    @property
    def store(self) -> str:
        """A directory for whatever the subject stores."""
        return str(self.folder / "store")

    @property
    def mounted(self) -> str:
        """The mountpoint."""
        return str(self.folder / "mounted")

    @property
    def passphrase(self) -> str:
        """A file with the passphrase."""
        return str(self.folder / "passphrase")

    @property
    def cache(self) -> str:
        """Not there yet; what may be dropped at any time."""
        return str(self.folder / "cache")


class MountedUse(Use[Path]):
    def __init__(self, root: Path, daemon: Daemon) -> None:
        self.root = root
        self._daemon = daemon

    def start(self) -> None:
        self._daemon.start()

    def stop(self) -> None:
        self._daemon.stop()

    def cpu_s(self) -> float:
        """Of the daemon, since it began: while it runs."""
        return self._daemon.cpu_s_so_far()

    def cost(self) -> Cost:
        return Cost(self._daemon.cpu_s, self._daemon.peak_bytes)


class Mountable(Subject[Path]):
    """A file system with a daemon."""

    program: str  # what must be found on PATH for it
    environment: dict[str, str] = {}  # noqa: RUF012

    def missing(self) -> str | None:
        if shutil.which(self.program):
            return None
        return f"{self.program} is not on PATH: {self.how_to_install()}"

    def how_to_install(self) -> str:
        """In a few words."""
        return f"apt-get install {self.program}"

    @abstractmethod
    def make(self, at: Places) -> None:
        """Make the empty file system in `at.store`, an empty directory."""

    @abstractmethod
    def command(self, at: Places) -> Sequence[str]:
        """What mounts it at `at.mounted`, and stays in the foreground."""

    def said(self) -> bytes:
        """What the command is told on its standard input."""
        return b""

    def create(self, folder: Path) -> None:
        at = Places(folder)
        Path(at.store).mkdir()
        Path(at.mounted).mkdir()
        Path(at.passphrase).write_bytes(PASSPHRASE)
        self.make(at)

    @contextmanager
    def use(self, folder: Path) -> Iterator[MountedUse]:
        at = Places(folder)
        mountpoint = Path(at.mounted)
        daemon = Daemon(
            self.command(at),
            mountpoint,
            folder / "log",
            said=self.said(),
            environment=self.environment,
        )
        try:
            yield MountedUse(mountpoint, daemon)
        finally:
            daemon.end()

    def run(self, *command: str, said: bytes = b"") -> str:
        """A command that must succeed; what it printed."""
        environment = {**os.environ, **self.environment}
        done = subprocess.run(
            command, input=said, capture_output=True, env=environment, check=False
        )
        if done.returncode:
            words = (done.stderr or done.stdout).decode(errors="replace").strip()
            raise OSError(f"{command[0]} failed: {words}")
        return (done.stdout or done.stderr).decode(errors="replace").strip()
