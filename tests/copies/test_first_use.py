"""At its first use a copy is verified, and whoever waits for long sees how far that is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.running import at_terminal, succeed
from tests.mount.mounting import Mount, run

# As users run them, but that everything takes long.
HASTY = "import sqlfs.cli.steps as steps; steps._LONG_S = 0.0; from {} import run; run()"
SQLFS = [sys.executable, "-c", HASTY.format("sqlfs.cli.main")]
SQLFS_MOUNT = [sys.executable, "-c", HASTY.format("fuse_driver.mount")]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    file, copy = tmp_path / "file.sqlite", tmp_path / "copy.sqlite"
    succeed("init", file)
    succeed("put", file, "-", "/a", given=b"content")
    run("cp", file, copy)
    return copy


def test_a_command_shows_it(copy: Path) -> None:
    first = at_terminal("cat", copy, "/a", command=SQLFS)
    assert (first.code, "verify" in first.text) == (0, True)
    assert "content" in first.text
    second = at_terminal("cat", copy, "/a", command=SQLFS)
    assert (second.code, "verify" in second.text) == (0, False)


def test_a_mount_shows_it(mount: Mount, copy: Path) -> None:
    copy.rename(mount.file)
    words = (mount.file, mount.directory, "--log", mount.log)
    first = at_terminal(*words, command=SQLFS_MOUNT)
    assert (first.code, "verify" in first.text) == (0, True)
    assert (mount / "a").read_text() == "content"
    mount.unmount()
    second = at_terminal(*words, command=SQLFS_MOUNT)
    assert (second.code, "verify" in second.text) == (0, False)
