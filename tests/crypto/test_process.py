"""A protected process leaves no core dump."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from sqlfs.crypto import protect_process
from sqlfs.errors import NotSupported

# PR_GET_DUMPABLE is 3.
_SCRIPT = """
import ctypes, resource
from sqlfs.crypto import protect_process
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
protect_process()
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), *resource.getrlimit(resource.RLIMIT_CORE))
"""


def test_forbids_core_dumps() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _SCRIPT],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("1\n0 0 0\n", "")


def test_says_so_when_the_kernel_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def prctl(self, *_: object) -> int:
            ctypes.set_errno(1)
            return -1

    monkeypatch.setattr("sqlfs.crypto.process.resource.setrlimit", lambda *_: None)
    monkeypatch.setattr("sqlfs.crypto.process.ctypes.CDLL", lambda *_, **__: Refusing())
    with pytest.raises(NotSupported, match="not permitted"):
        protect_process()
