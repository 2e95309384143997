"""Writers that note outside what was acknowledged, and what a copy must hold."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlfs.errors import Corrupt
from sqlfs.maintenance import check_file
from sqlfs.volume import VolumeFile
from sqlfs.volume.files import FileSystem
from tests.mount.mounting import DEADLINE_S, wait_until

# Writes files until it is killed, and notes the number of each once it is durable.
WRITER = """
import os, sys
from itertools import count

folder, notes, writer = sys.argv[1:]
notes = open(notes, "a", buffering=1)
for number in count():
    path = f"{folder}/{writer}-{number}"
    descriptor = os.open(path + ".new", os.O_WRONLY | os.O_CREAT, 0o644)
    os.write(descriptor, f"{writer} {number} ".encode() * (1 + number % 2000))
    os.fsync(descriptor)
    os.close(descriptor)
    os.rename(path + ".new", path)
    if number % 7 == 3:
        os.setxattr(path, "user.number", str(number).encode())
    if number >= 300:
        os.unlink(f"{folder}/{writer}-{number - 300}")
    directory = os.open(folder, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)
    notes.write(f"{number}\\n")
"""
_KEPT = 300


def content(writer: int, number: int) -> bytes:
    return f"{writer} {number} ".encode() * (1 + number % 2000)


class Load:
    """What the writers had acknowledged, by the notes that they left in `notes`."""

    def __init__(self, notes: Sequence[Path]) -> None:
        self._notes = notes

    def acknowledged(self) -> list[int]:
        """The last number of each writer; -1 for none."""
        return [
            int(["-1", *path.read_text().rpartition("\n")[0].splitlines()][-1])
            for path in self._notes
        ]

    def wait_for_more(self, count: int = 1) -> None:
        """Return when every writer has had so many more acknowledged."""
        before = self.acknowledged()
        wait_until(
            lambda: all(
                now >= then + count for now, then in zip(self.acknowledged(), before, strict=True)
            ),
            "the writers get on",
        )


@contextmanager
def writers(folder: Path, outside: Path, count: int = 3) -> Iterator[Load]:
    """Have so many processes write into `folder`, gone afterwards."""
    notes = [outside / f"notes-{writer}" for writer in range(count)]
    with ExitStack() as running:
        for writer, path in enumerate(notes):
            path.touch()
            process = subprocess.Popen(
                [sys.executable, "-c", WRITER, folder, path, str(writer)],
                stderr=subprocess.PIPE,
            )
            running.callback(_end, process)
        load = Load(notes)
        load.wait_for_more()
        yield load


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    _, complaints = process.communicate(timeout=DEADLINE_S)
    assert complaints == b"", complaints.decode()


def assert_holds(copy: Path, acknowledged: list[int]) -> None:
    """The copy opens, is sound, and has all that was acknowledged, and nothing half."""
    with VolumeFile.open(copy, background=False) as file:
        assert (file.db.torn, file.read_only) == (None, False), file.notices
        findings = check_file(file, deep=True)
        assert findings == []
        with FileSystem(file.session("main")) as files:
            names = set(files.listdir("/"))
            for writer, last in enumerate(acknowledged):
                # Older ones may have been removed since, in order, while the copy began.
                numbers = sorted(_numbers(names, writer))
                if last < 0 and not numbers:
                    continue
                assert numbers, f"writer {writer}"
                assert numbers == list(range(numbers[0], numbers[-1] + 1)), "a gap"
                assert numbers[-1] >= last, f"writer {writer}: {numbers[-1]}, not {last}"
                assert numbers[0] == 0 or numbers[-1] - numbers[0] <= _KEPT + 1
                for number in (numbers[0], last, numbers[-1]):
                    if number >= numbers[0]:
                        name = f"/{writer}-{number}"
                        assert files.read_bytes(name) == content(writer, number)
                        if number % 7 == 3 and number <= last:
                            assert files.getxattr(name, "user.number") == str(number).encode()


def is_torn(copy: Path) -> bool:
    """Whether the copy says so when it is opened; any other complaint is raised."""
    try:
        with VolumeFile.open(copy, background=False) as file:
            return file.db.torn is not None and file.read_only
    except Corrupt as error:
        if re.search("torn or damaged copy|is truncated", error.message):
            return True
        raise


def _numbers(names: set[str], writer: int) -> list[int]:
    found = (name.split("-") for name in names if "-" in name and not name.endswith(".new"))
    return [int(number) for each, number in found if int(each) == writer]


def is_leased(file: Path) -> bool:
    """Whether the kernel has those who open the file wait."""
    status = file.stat()
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    place = f" {device}:{status.st_ino} "
    locks = Path("/proc/locks").read_text().splitlines()
    return any(place in line and " LEASE " in line for line in locks)


def wait_leased(file: Path) -> None:
    wait_until(lambda: is_leased(file), "the owner noticed that nobody has the file open")
