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
    """The power goes when `event` events of a life have happened.

    A life is what one machine does between two power cuts; the next one begins with what a
    cut of the last one left.
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


def outcomes(record: Record, seed: int, life: int, acknowledged: int) -> Iterator[Outcome]:
    """All cuts of a record that leave something new; `acknowledged` held at its start."""
    wanted = os.environ.get(CUT_VARIABLE)
    disk = Disk(record)
    seen: set[bytes] = set()
    for number, event in enumerate(record.events, 1):
        disk.advance(event)
        if isinstance(event, Acknowledge):
            acknowledged = max(acknowledged, event.state)
        for mode in Mode:
            cut = Cut(seed, life, number, mode)
            image = disk.image(mode, cut.chance("image"))
            key = _digest(image, acknowledged)
            if key not in seen and wanted in (None, "", str(cut)):
                yield Outcome(cut, image, acknowledged)
            seen.add(key)


def image_after(record: Record, cut: Cut) -> Image:
    """What one cut leaves."""
    disk = Disk(record)
    for event in record.events[: cut.event]:
        disk.advance(event)
    return disk.image(cut.mode, cut.chance("image"))


def random_cut(record: Record, seed: int, life: int, chance: random.Random) -> Cut:
    """The cut that a life ends with, when another one follows."""
    return Cut(seed, life, chance.randint(1, len(record.events)), chance.choice(list(Mode)))


def _digest(image: Image, acknowledged: int) -> bytes:
    digest = blake3(str(acknowledged).encode())
    for name, content in image.items():
        digest.update(f"/{name}/{len(content)}/".encode())
        digest.update(content)
    return digest.digest()
