"""The fixtures that every test relies on, seen from outside."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuse_mounts import mounts_below
from tests.project import ROOT

NEEDS_FUSE = "def test_it(fuse): pass\n"
LEAVES_A_MOUNT = """
import os, socket, subprocess

def test_it(tmp_path):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        subprocess.run(
            ["fusermount3", "-o", "fsname=left", "--", tmp_path],
            env={**os.environ, "_FUSE_COMMFD": str(theirs.fileno())},
            pass_fds=[theirs.fileno()],
            check=True,
        )
        [descriptor] = socket.recv_fds(ours, 1, 1)[1]
    os.close(descriptor)
"""
HANGS = """
import threading, tests.conftest

tests.conftest.HANG_S = 0.1

def test_it(request):
    request.addfinalizer(lambda: print("given back"))
    threading.Event().wait()
"""


def run_pytest(folder: Path, source: str, **environment: str) -> str:
    """What pytest prints about a test file of that source under the project's fixtures."""
    (folder / "test_it.py").write_text(source)
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "--rootdir", folder, "--basetemp", folder / "tmp", "-rs", folder / "test_it.py"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr


def test_without_fuse_a_mount_test_is_skipped_with_the_reason(tmp_path: Path) -> None:
    output = run_pytest(tmp_path, NEEDS_FUSE, PATH="", CI="")
    assert "1 skipped" in output
    assert "fusermount3 is not installed" in output


def test_without_fuse_a_mount_test_fails_in_ci(tmp_path: Path) -> None:
    output = run_pytest(tmp_path, NEEDS_FUSE, PATH="", CI="true")
    assert "1 error" in output
    assert "fusermount3 is not installed" in output


def test_a_test_that_hangs_fails_and_cleans_up(tmp_path: Path) -> None:
    output = run_pytest(tmp_path, HANGS)
    assert "hung: not done within 0.1 s" in output
    assert "given back" in output


@pytest.mark.usefixtures("fuse")
def test_a_mount_left_behind_is_detached_and_fails(tmp_path: Path) -> None:
    output = run_pytest(tmp_path, LEAVES_A_MOUNT)
    assert "1 passed, 1 error" in output
    assert "tests left mounts behind" in output
    assert mounts_below(tmp_path) == []
