"""``python -m tests.doors.worker KIND PLACE NUMBER LOG PUBLISHED SEED``: one of several at work.

KIND is ``mount`` (PLACE is a mountpoint), ``api`` or ``commands`` (PLACE is the file).  Takes
steps at random until stdin closes.  Its log, a plain file outside, gets a line when a step begins,
and one when it is done: then all of it is durable.  One that begins and is never done may have
happened or not: its owner died, or its door, or this process.  What no death explains is logged as
failed.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Final, cast

from tests.doors.ways import ApiWay, CommandWay, FullWay, Gone, MountWay, Way

# What all of them use.
STAMPS: Final = "stamps"
OWN: Final = "own"
COUNT: Final = "count"
SHARED: Final = "shared"
TOKEN: Final = "token"
LEDGER: Final = f"{SHARED}/ledger"
MARKED: Final = f"{SHARED}/marked"

NUMBER_BYTES: Final = 8
_STAMP_BYTES_MAX: Final = 300_000
_RECORDS_MAX: Final = 4


def stamp(worker: int, number: int) -> bytes:
    """What a worker's file holds, told by itself."""
    chance = Random(f"{worker} {number}")
    body = chance.randbytes(chance.choice((0, 100, 5000, chance.randrange(_STAMP_BYTES_MAX))))
    return f"{worker} {number}\n".encode() + body


def stamped(data: bytes) -> tuple[int, int]:
    """Whose stamp it is, and which; raises ValueError for anything else."""
    line, _, _ = data[:40].partition(b"\n")
    worker, number = map(int, line.split())
    if stamp(worker, number) != data:
        raise ValueError(f"not the stamp {worker} {number}")
    return worker, number


def record(worker: int, number: int) -> bytes:
    return f"{worker} {number}\n".encode()


class Published:
    """What each worker has made known of its stamps: the others must find it, or what is newer."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT)

    def tell(self, worker: int, number: int) -> None:
        data = number.to_bytes(NUMBER_BYTES, "little")
        os.pwrite(self._descriptor, data, worker * NUMBER_BYTES)

    def of(self, worker: int) -> int:
        data = os.pread(self._descriptor, NUMBER_BYTES, worker * NUMBER_BYTES)
        return int.from_bytes(data, "little")

    def workers(self) -> int:
        return os.fstat(self._descriptor).st_size // NUMBER_BYTES


class Failed(Exception):
    """What no death explains."""


class Worker:
    """Steps that any way allows; the name of a step's method is its kind.  Each returns what is
    to be known of it beside its number."""

    def __init__(self, way: Way, worker: int, published: Published, seed: int, last: int) -> None:
        """`last` is the number of the last step of an earlier life."""
        self._way = way
        self._worker = worker
        self._published = published
        self._chance = Random(seed + last)
        self.number = last
        self.steps: list[Callable[[], object]] = [self.look, self.look, self.stamp, self.count]

    def begin(self) -> Callable[[], object]:
        self.number += 1
        return self._chance.choice(self.steps)

    def stamp(self) -> None:
        self._way.put(f"{STAMPS}/{self._worker}", stamp(self._worker, self.number))
        self._published.tell(self._worker, self.number)

    def look(self) -> None:
        """Each sees what any other has closed."""
        whose = self._chance.randrange(self._published.workers())
        least = self._published.of(whose)
        if not least:
            return
        try:
            found = stamped(self._way.read(f"{STAMPS}/{whose}"))
        except ValueError as error:
            raise Failed(f"stamp of {whose}: {error}") from error
        if found[0] != whose or found[1] < least:
            raise Failed(f"found stamp {found} of {whose}, who had closed {least}")

    def count(self) -> int:
        """One of all who try makes the next number of this one: it is the file's name, and who
        made it.  (Two that give it one new name at once may both be told that they did: for a
        kernel that still knows the old one, both are of one file, and nothing is to be done.)"""
        (name,) = self._way.names(COUNT)
        after = int(name.partition("-")[0]) + 1
        # Said before: whoever is killed on the way back may have made it.
        self.about_to(after)
        try:
            self._way.rename(f"{COUNT}/{name}", f"{COUNT}/{after}-{self._worker}")
        except FileNotFoundError:
            return 0
        self._way.settle(COUNT)
        return after

    about_to: Callable[[int], None]


class FullWorker(Worker):
    """And those that need more than commands can do."""

    def __init__(
        self, way: FullWay, worker: int, published: Published, seed: int, last: int
    ) -> None:
        super().__init__(way, worker, published, seed, last)
        self._way: FullWay = way
        self._marked = 0
        self.steps += [self.append, self.append, self.names, self.names, self.enter, self.mark]

    def append(self) -> int:
        count = self._chance.randrange(1, _RECORDS_MAX + 1)
        parts = [record(self._worker, self.number)] * count
        self._way.append(f"{OWN}/{self._worker}.log", parts)
        return count

    def names(self) -> None:
        """Names that nobody else uses, each used once: made twice, or removed twice, it shows."""
        here = f"{OWN}/{self._worker}"
        a, b, c = (f"{here}/{letter}{self.number}" for letter in "abc")
        try:
            self._way.create(a)
            self._way.rename(a, b)
            self._way.link(b, c)
            self._way.remove(b)
            self._way.settle(here)
            self._way.rename(c, a)
            self._way.remove(a)
            self._way.settle(here)
        except (FileNotFoundError, FileExistsError) as error:
            # Unless something was lost, which is told now.
            self._way.settle(here)
            raise Failed(f"{error}") from error

    def enter(self) -> bool:
        """Who has the token enters its number in the ledger, behind all that it finds there."""
        mine = f"{TOKEN}-{self._worker}"
        there = self._way.names(SHARED)
        if mine not in there:
            try:
                self._way.rename(f"{SHARED}/{TOKEN}", f"{SHARED}/{mine}")
            except FileNotFoundError:
                return False
            self._way.settle(SHARED)
        try:
            # One that was held through a death may have been used before.
            if mine not in there:
                ledger = self._way.read(LEDGER)
                self._way.write_at(LEDGER, len(ledger), record(self._worker, self.number))
        finally:
            self._way.rename(f"{SHARED}/{mine}", f"{SHARED}/{TOKEN}")
        self._way.settle(SHARED)
        return mine not in there

    def mark(self) -> None:
        """All mark one file, each by a name of its own."""
        name = f"user.{self._worker}"
        if self._marked:
            found = int(self._way.marked(MARKED, name))
            if found < self._marked:
                raise Failed(f"mark {found} where {self._marked} was set")
        self._way.mark(MARKED, name, b"%d" % self.number)
        self._marked = self.number


class Log:
    """Lines of a plain file, of all lives of a worker."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def say(self, event: str, number: int, kind: str, what: object = None) -> None:
        line = json.dumps([event, number, kind, what, f"{datetime.now():%T.%f}"])
        os.write(self._descriptor, line.encode() + b"\n")


def last_number(log: Path) -> int:
    if not log.exists():
        return 0
    return max((json.loads(line)[1] for line in log.read_text().splitlines()), default=0)


def opened(kind: str, place: Path) -> Way:
    if kind == "mount":
        return MountWay(place)
    return ApiWay(place) if kind == "api" else CommandWay(place)


def work(worker: Worker, way: Way, log: Log) -> None:
    """Take one step."""
    step = worker.begin()
    number, kind = worker.number, step.__name__
    worker.about_to = lambda value: log.say("begun", number, kind, value)
    log.say("begun", number, kind)
    try:
        event = "done", step()
    except Gone:
        return
    except Failed as error:
        event = "failed", str(error)
    except OSError as error:
        if way.has_died(error):
            way.come_back()
            return
        if error.errno == errno.EIO:
            return
        event = "failed", f"{type(error).__name__}: {error}"
    if way.has_died():
        way.come_back()
    else:
        log.say(event[0], number, kind, event[1])


def main() -> int:
    kind, place, number, log, published, seed = sys.argv[1:]
    way = opened(kind, Path(place))
    settings = int(number), Published(Path(published)), int(seed), last_number(Path(log))
    if kind == "commands":
        worker = Worker(way, *settings)
    else:
        worker = FullWorker(cast(FullWay, way), *settings)
    ending = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ending.set()), daemon=True).start()
    said = Log(Path(log))
    while not ending.is_set():
        work(worker, way, said)
    return 0


if __name__ == "__main__":
    sys.exit(main())
