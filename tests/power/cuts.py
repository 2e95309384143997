"""Every cut of a record, and how one that failed is run again."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from tests.power.image import Disk, Image, Mode
from tests.power.record import Acknowledge, Record

CUT_VARIABLE = "SQLFS_CUT"


@dataclass(frozen=True, slots=True)
class Cut:
    """The power goes when `event` events of a record have happened.

    A life is what one process does; the next one begins with what a cut of the last one left.
    When that only killed the process, the machine's record goes on: what was not synced then
    may still be lost.
    """

    seed: int
    life: int
    event: int
    mode: Mode

    def __str__(self) -> str:
        return f"{self.seed}:{self.life}:{self.event}:{self.mode.value}"

    def chance(self, purpose: str) -> random.Random:
        return random.Random(f"{self}:{purpose}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a cut leaves on the disk, and the least state that it has to hold."""

    cut: Cut
    image: Image
    acknowledged: int

    def run(self, check: Callable[[Outcome], None], keep: Path) -> None:
        """Check this outcome; a failure says how to see it again, and leaves its files in the
        folder `keep`."""
        try:
            check(self)
        except Exception as error:
            for name, content in self.image.items():
                (keep / name).write_bytes(content)
            raise AssertionError(
                f"after the cut {self.cut} (state {self.acknowledged} was acknowledged; what it"
                f" left is in {keep}): {type(error).__name__}: {error}\n"
                f"alone: {CUT_VARIABLE}={self.cut} pytest ..."
            ) from error


def soak() -> int:
    """How many times more seeds than usual are asked for."""
    return int(os.environ.get("SQLFS_SOAK", "1"))


def seeds(usual: int, first: int = 1) -> list[int]:
    """The seeds of a test: `usual` ones, more for a soak, or the one to be run again."""
    wanted = os.environ.get(CUT_VARIABLE)
    if wanted:
        return [int(wanted.split(":")[0])]
    return list(range(first, first + usual * soak()))


@dataclass(frozen=True, slots=True)
class Lived:
    """A life that is over: what it added to the record from event `begin` on.  State `held` was
    promised when the record began."""

    number: int
    record: Record
    begin: int
    held: int


def outcomes(life: Lived, seed: int) -> Iterator[Outcome]:
    """All cuts of a life that leave something new."""
    wanted = os.environ.get(CUT_VARIABLE)
    disk = Disk(life.record)
    acknowledged = life.held
    seen: set[bytes] = set()
    for number, event in enumerate(life.record.events, 1):
        disk.advance(event)
        if isinstance(event, Acknowledge):
            acknowledged = max(acknowledged, event.state)
        for mode in Mode if number > life.begin else ():
            cut = Cut(seed, life.number, number, mode)
            image = disk.image(mode, cut.chance("image"))
            key = _digest(image, acknowledged)
            if key not in seen and wanted in (None, "", str(cut)):
                yield Outcome(cut, image, acknowledged)
            seen.add(key)


@dataclass(frozen=True, slots=True)
class End:
    """How a life ends when another one follows: with `image` on the disk.

    `record` is what the next life goes on with, and `held` the state that was promised at its
    start; None: the one that is found.
    """

    image: Image
    record: Record
    held: int | None


def random_end(life: Lived, seed: int, chance: random.Random) -> End:
    """The process is killed, or the power goes."""
    event = chance.randint(life.begin + 1, len(life.record.events))
    mode = Mode.KILLED if chance.random() < 0.5 else chance.choice(list(Mode))
    cut = Cut(seed, life.number, event, mode)
    before = life.record.until(event)
    image = Disk.after(before).image(mode, cut.chance("image"))
    if mode is Mode.KILLED:
        return End(image, before, life.held)
    return End(image, Record(image), None)


def _digest(image: Image, acknowledged: int) -> bytes:
    digest = blake3(str(acknowledged).encode())
    for name, content in image.items():
        digest.update(f"/{name}/{len(content)}/".encode())
        digest.update(content)
    return digest.digest()
