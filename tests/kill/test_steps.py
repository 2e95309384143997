"""kill -9 of short commands, at each of their steps: all that they do is done, or nothing."""

from __future__ import annotations

import os
import random
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sqlfs
from tests.cli.running import DEADLINE_S, ENVIRONMENT, ROOT, succeed

# Steps that are tried for each command; the soak tries all.
STEPS = 2 * int(os.environ.get("SQLFS_SOAK", "1"))
COMMANDS = {
    "mkdir": ("mkdir", "{file}", "/new"),
    "mv": ("mv", "{file}", "/tree/a", "/moved"),
    "mv over another": ("mv", "{file}", "/tree/a", "/tree/b"),
    "ln": ("ln", "{file}", "/tree/a", "/hard link"),
    "ln -s": ("ln", "-s", "{file}", "/tree/a", "/symlink"),
    "rm": ("rm", "{file}", "/tree/b"),
    "cp": ("cp", "{file}", "/tree/b", "/copy"),
    "quota": ("quota", "{file}", "1G"),
}


def run(step: int, place: Path, *words: str) -> int:
    """A command that is killed at a step; how many steps it had, if it lived."""
    count = place / "count"
    done = subprocess.run(
        [sys.executable, "-m", "tests.kill.dying", str(step), count, *words],
        env=ENVIRONMENT, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.returncode == (-9 if step else 0)
    return int(count.read_text()) if not step else 0


def shown(file: Path) -> list[Any]:
    """What is in it, once it is found sound."""
    with sqlfs.open(file) as store:
        assert store.notices == []
        with store.mount() as fs:
            assert store.check(deep=True) == []
            quota = store.quota(fs.volume.name)
            return [quota, *(_about(fs, path) for path in sorted(_paths(fs)))]


def _paths(fs: sqlfs.FileSystem) -> Iterator[str]:
    for top, directories, files in fs.walk("/"):
        for name in (*directories, *files):
            yield f"{top.rstrip('/')}/{name}"


def _about(fs: sqlfs.FileSystem, path: str) -> tuple[Any, ...]:
    there = fs.lstat(path)
    content = fs.read_bytes(path) if stat.S_ISREG(there.st_mode) else b""
    return path, there.st_mode, there.st_nlink, content


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "volume.sqlite"
    with sqlfs.open(path, create=True) as store:
        store.create_volume("main")
        with store.mount() as fs:
            fs.mkdir("/tree")
            for name in ("a", "b"):
                fs.write_bytes(f"/tree/{name}", random.Random(name).randbytes(300_000))
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_done_or_not(file: Path, tmp_path: Path, command: str) -> None:
    words = [word.format(file=file) for word in COMMANDS[command]]
    sound = file.read_bytes()
    before = shown(file)
    count = run(0, tmp_path, *words)
    after = shown(file)
    assert after != before
    for step in random.sample(range(1, count + 1), min(STEPS, count)):
        file.write_bytes(sound)
        run(step, tmp_path, *words)
        assert shown(file) in (before, after), f"step {step} of {count}"


def test_a_file_is_made_or_not(tmp_path: Path) -> None:
    file = tmp_path / "new.sqlite"
    count = run(0, tmp_path, "init", str(file))
    for step in range(1, count + 1)[:: max(1, count // STEPS)]:
        file.unlink(missing_ok=True)
        file.with_name(file.name + "-wal").unlink(missing_ok=True)
        run(step, tmp_path, "init", str(file))
        if file.exists():
            assert succeed("check", file).lines == ["no findings"]
