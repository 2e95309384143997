"""kill -9 of a command that works on a file: the file is sound, and what was in it still is."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from tests.cli.running import COMMAND, DEADLINE_S, ENVIRONMENT, succeed

SOAK = int(os.environ.get("SQLFS_SOAK", "1"))
ROUNDS = SOAK
FILES = 30
_START_S = 0.2  # until a command has begun its work, about
_WORK_S = 0.6


def content(number: int) -> bytes:
    return random.Random(number).randbytes(200_000 + number)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("tree")
    for number in range(FILES):
        (top / f"{number}").write_bytes(content(number))
    return top


@pytest.fixture
def file(tmp_path: Path, tree: Path) -> Path:
    """A volume that holds the tree twice."""
    path = tmp_path / "volume.sqlite"
    succeed("init", path)
    for name in ("kept", "other"):
        succeed("put", "-r", path, tree, f"/{name}")
    return path


def killed(chance: random.Random, *words: str | Path) -> bool:
    """Run a command and kill it at some moment; whether it was still at work."""
    process = subprocess.Popen(
        [*COMMAND, *words], env=ENVIRONMENT,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        process.wait(_START_S + chance.random() * _WORK_S)
    except subprocess.TimeoutExpired:
        process.kill()
    _, errors = process.communicate(timeout=DEADLINE_S)
    assert "Traceback" not in errors, errors
    return process.returncode < 0


COMMANDS = {
    "put": ("put", "-r", "{file}", "{tree}", "/new"),
    "cp": ("cp", "-r", "{file}", "/other", "/new"),
    "rm": ("rm", "-r", "{file}", "/other"),
    "check": ("check", "--deep", "{file}"),
    "get": ("get", "-r", "{file}", "/other", "{place}"),
    "backup": ("backup", "--compact", "{file}", "{place}.sqlite"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_killed(file: Path, tree: Path, tmp_path: Path, command: str) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for number in range(ROUNDS):
        place = tmp_path / f"place {number}"
        places = {"file": file, "tree": tree, "place": place}
        killed(chance, *(word.format(**places) for word in COMMANDS[command]))
        assert succeed("check", "--deep", file).lines == ["no findings"]
        got = tmp_path / f"got {number}"
        succeed("get", "-r", file, "/kept", got)
        assert {path.name: path.read_bytes() for path in got.iterdir()} == {
            str(each): content(each) for each in range(FILES)
        }
        for name in ("/new", "/other"):
            _nothing_else(file, name, tmp_path / f"{name[1:]} {number}")
        succeed("rm", "-rf", file, "/new")


def _nothing_else(file: Path, name: str, place: Path) -> None:
    """What is there of a tree is the beginning of what was to be there."""
    if f"{name[1:]}" not in succeed("ls", file, "/").lines:
        return
    succeed("get", "-r", file, name, place)
    for path in place.iterdir():
        if path.name.isdigit():
            assert content(int(path.name)).startswith(path.read_bytes()), path
