"""Backups made while the power is on: each is of the moment it was begun, whatever followed."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from pathlib import Path

from sqlfs.store import Image

_MOST = 3


class Backups:
    """Images that are read a piece now and then; `look` opens a file and tells its state."""

    def __init__(self, place: Path, chance: random.Random, look: Callable[[Path], bytes]) -> None:
        """Copies are written in folders of their own in `place`."""
        self._place = place
        self._chance = chance
        self._look = look
        self._reading: list[tuple[Image, bytearray, bytes]] = []
        self.finished = 0

    def step(self, begin: Callable[[], tuple[Image, bytes]]) -> None:
        """Begin another one, which gives the image and its state; or go on with those there are."""
        if len(self._reading) < _MOST and self._chance.random() < 0.5:
            image, state = begin()
            self._reading.append((image, bytearray(), state))
        for image, content, _ in self._reading:
            content += image.read()
        if self._reading and self._chance.random() < 0.3:
            self._finish(self._chance.randrange(len(self._reading)))

    def finish(self) -> None:
        """Before the file is closed."""
        while self._reading:
            self._finish(0)

    def _finish(self, number: int) -> None:
        image, content, state = self._reading.pop(number)
        while piece := image.read():
            content += piece
        image.close()
        with tempfile.TemporaryDirectory(prefix="sqlfs-backup-", dir=self._place) as folder:
            copy = Path(folder) / "backup.sqlite"
            copy.write_bytes(content)
            assert self._look(copy) == state, "a backup of another moment"
        self.finished += 1
