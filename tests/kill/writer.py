"""``python -m tests.kill.writer DIRECTORY LOG SEED``: write until the mount dies.

Before each step the log, a plain file outside, gets a line of what is about to be done, and when
all of it has been fsynced, another.  So whoever reads the log knows what must be there.
"""

from __future__ import annotations

import errno
import json
import os
import random
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

_NAMES: Final = 12
_BYTES_MAX: Final = 300_000
_DEAD: Final = (errno.ENOTCONN, errno.EIO, errno.ENOENT, errno.ECONNABORTED)


@dataclass(frozen=True)
class Step:
    """``verb``: write, append, replace (by a rename), unlink; ``length`` of bytes from ``seed``."""

    verb: str
    name: str
    seed: int = 0
    length: int = 0

    @property
    def data(self) -> bytes:
        return random.Random(self.seed).randbytes(self.length)


def steps(seed: int) -> list[Step]:
    """More than anybody survives."""
    chance = random.Random(seed)
    found: list[Step] = []
    there: set[str] = set()
    for number in range(100_000):
        name = f"file {chance.randrange(_NAMES)}"
        verbs = ("write", "append", "replace", "unlink") if name in there else ("write", "replace")
        verb = chance.choice(verbs)
        (there.discard if verb == "unlink" else there.add)(name)
        length = chance.choice((0, 100, 600, 5000, chance.randrange(_BYTES_MAX)))
        found.append(Step(verb, name, seed * 1_000_000 + number, length))
    return found


def take(step: Step, directory: Path) -> None:
    """Do it, and make it durable."""
    path = directory / step.name
    if step.verb == "unlink":
        path.unlink()
    elif step.verb == "replace":
        aside = directory / "aside"
        _write(aside, step.data, os.O_CREAT | os.O_TRUNC)
        aside.rename(path)
    else:
        _write(path, step.data, os.O_APPEND if step.verb == "append" else os.O_CREAT | os.O_TRUNC)
    _fsync(directory)


def _write(path: Path, data: bytes, flags: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | flags, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fsync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def main() -> int:
    directory, log, seed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    descriptor = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        for step in steps(seed):
            line = json.dumps(asdict(step)).encode()
            os.write(descriptor, b"begun " + line + b"\n")
            take(step, directory)
            os.write(descriptor, b"done " + line + b"\n")
    except OSError as error:
        if error.errno not in _DEAD:
            raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
