"""A mount of the model, seen from the test's side."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.fuse_mounts import detach, mounts_below
from tests.mount.mounting import DEADLINE_S, ENVIRONMENT


class ModelMount:
    """`tests.mount.model_mount` at `directory`, told by lines what another session does."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.expected_complaint = ""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.mount.model_mount", str(directory)],
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        self._expect("READY")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for mountpoint in mounts_below(self.directory):
            detach(mountpoint)
        try:
            self._process.send_signal(signal.SIGTERM)
            _, said = self._process.communicate(timeout=DEADLINE_S)
        finally:
            self._process.kill()
            self._process.wait()
        if error is None and self.expected_complaint:
            assert self.expected_complaint in said
        elif error is None:
            assert said == ""

    def __truediv__(self, name: str) -> Path:
        return self.directory / name

    def tell(self, *words: str) -> None:
        """Have the other session do something, and wait until it has."""
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(words) + "\n")
        self._process.stdin.flush()
        self._expect("DONE")

    def _expect(self, word: str) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == word
