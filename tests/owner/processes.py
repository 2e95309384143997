"""Other processes of a test, and waiting for what they do."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlfs.owner import rendezvous

DEADLINE_S = 30.0


class Program:
    """A Python module that runs until its stdin closes, and speaks in lines."""

    def __init__(self, module: str, *args: str | Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *map(str, args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        self.pid = self._process.pid

    def expect(self, line: str) -> None:
        assert self.hear() == line

    def hear(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self) -> int:
        """Close its stdin; its exit status."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        return self._process.wait(DEADLINE_S)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(DEADLINE_S)

    def close(self) -> None:
        if self._process.poll() is None:
            self.kill()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):
                stream.close()


@contextlib.contextmanager
def running(module: str, *args: str | Path) -> Iterator[Program]:
    """A program that is ready, and gone afterwards."""
    program = Program(module, *args)
    try:
        program.expect("READY")
        yield program
    finally:
        program.close()


@contextlib.contextmanager
def serving(path: Path, *args: str | Path) -> Iterator[Program]:
    """Another process that owns the file at `path`."""
    with running("tests.owner.serve", path, *args) as program:
        place = socket_of(path)
        yield program
    # One that was killed leaves its socket to the next owner, which never comes.
    place.unlink(missing_ok=True)


def socket_of(path: Path) -> Path:
    """The socket of the owner of the file at `path`."""
    status = path.stat()
    places = rendezvous.places(status.st_dev, status.st_ino, status.st_uid)
    return next(place for place in places if place.exists())


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds; fail when it does not in time."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, "this never came true"
        time.sleep(0.01)


def as_user(uid: int, action: Callable[[], object]) -> str:
    """The str of what `action` gives, or raises, in a child that runs as `uid`."""
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            try:
                said = str(action())
            except Exception as error:
                said = f"{type(error).__name__}: {error}"
            os.write(writable, said.encode())
        finally:
            os._exit(0)
    os.close(writable)
    with open(readable, "rb") as answer:
        said = answer.read().decode()
    os.waitpid(child, 0)
    return said
