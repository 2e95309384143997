"""kill -9 in the middle of an untar: the next mount works at once, and has what was fsynced."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.volumes import Volume
from tests.mount.mounting import DEADLINE_S, run

ROUNDS = 3
SYNCED_EACH = 5

# Says each name when fsync has returned for it and for its directory.
UNTAR = """
import os, sys, tarfile
from pathlib import Path

archive, directory, synced_each = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
directory.mkdir()

def sync(path):
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)

with tarfile.open(archive) as members:
    for number, member in enumerate(members):
        members.extract(member, directory, filter="tar")
        if member.isreg() and number % synced_each == 0:
            sync(directory / member.name)
            sync((directory / member.name).parent)
            print(member.name, flush=True)
"""


@pytest.fixture
def archive(library: Path, tmp_path: Path) -> Path:
    """The tree, packed."""
    path = tmp_path / "library.tar"
    run("tar", "-C", library, "--hard-dereference", "-cf", path, ".")
    return path


def killed_untar(volume: Volume, archive: Path, directory: Path, kill_after: int) -> list[str]:
    """Untar, and kill the mount when so many files are synced; all that were."""
    process = subprocess.Popen(
        [sys.executable, "-c", UNTAR, archive, directory, str(SYNCED_EACH)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        with process.stdout as output:
            synced = [output.readline() for _ in range(kill_after)]
            volume.signal(signal.SIGKILL)
            synced += output
        assert process.wait(DEADLINE_S) != 0, "it was done before the kill"
    finally:
        process.kill()
        process.wait()
    return [line.removesuffix("\n") for line in synced]


def test_kills_in_the_middle_of_an_untar(volume: Volume, archive: Path, library: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    kept: list[tuple[Path, list[str]]] = []
    for round_ in range(ROUNDS):
        directory = volume / f"untarred-{round_}"
        synced = killed_untar(volume, archive, directory, chance.randrange(1, 150))
        kept.append((directory, synced))
        volume.start()
        assert volume.sqlfs("check", "--deep").lines == ["no findings"]
        for copy, names in kept:
            for name in names:
                assert (copy / name).read_bytes() == (library / name).read_bytes(), (seed, name)
        # What was not synced may be missing, but is never something else.
        for copy in (path for path in directory.rglob("*") if path.is_file()):
            original = (library / copy.relative_to(directory)).read_bytes()
            assert original.startswith(copy.read_bytes()), (seed, copy)
