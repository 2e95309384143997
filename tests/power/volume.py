"""A volume file that power cuts happen to."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from sqlfs.crypto import KdfParameters, derive_kek
from sqlfs.maintenance import check_file
from sqlfs.volume import VolumeFile
from tests.model.session import ModelSession
from tests.power.core_life import VOLUME, open_session
from tests.power.cuts import Outcome, image_after, outcomes, random_cut
from tests.power.history import History
from tests.power.image import materialize
from tests.power.record import Acknowledge, Record
from tests.power.tree_state import copy_tree, digest_of

PAGE_BYTES = 4096
CHUNK_BYTES = 4096
_KDF = KdfParameters(memory_kib=8, passes=1, lanes=1)


class Life(Protocol):
    """What one machine does with the file between two power cuts."""

    def run(
        self, model: ModelSession, chance: random.Random, history: History, steps: int
    ) -> Record: ...


class Volume:
    """The file, and the states that it went through."""

    def __init__(self, folder: Path, seed: int, passphrase: bytes | None = None) -> None:
        self.path = folder / "volume.sqlite"
        self.kek: bytes | None = None
        self.history = History()
        self._seed = seed
        self._chance = random.Random(seed)
        with (
            seeded_ids(self._chance),
            VolumeFile.open(self.path, create=True, page_size=PAGE_BYTES, background=False) as made,
        ):
            made.create_volume(VOLUME, passphrase, chunk_size=CHUNK_BYTES, kdf=_KDF)
            if passphrase is not None:
                ((_, slot),) = made.slots(VOLUME)
                self.kek = derive_kek(passphrase, slot.salt, slot.kdf)

    def records(self, life: Life, count: int, steps: int) -> Iterator[tuple[int, Record, int]]:
        """Lives in a row, each with its record and the state that held at its start: every one
        but the first begins with what a random cut of the one before left."""
        self.history.add(self.look())
        for number in range(count):
            held, model = self.history.last, ModelSession()
            image = {each.name: each.read_bytes() for each in self.path.parent.iterdir()}
            self.look(model)
            materialize(image, self.path)
            with seeded_ids(self._chance):
                record = life.run(model, self._chance, self.history, steps)
            yield number, record, held
            cut = random_cut(record, self._seed, number, self._chance)
            materialize(image_after(record, cut), self.path)
            self.history.cut_to(self.look())
            materialize(image_after(record, cut), self.path)

    def look(self, model: ModelSession | None = None) -> bytes:
        """Open the file as the next owner would, and check it; the state it holds.

        An empty `model` is made to hold the same.
        """
        with VolumeFile.open(self.path, background=False) as opened:
            session = open_session(opened, self.kek)
            found = digest_of(session)
            assert check_file(opened) == []
            assert digest_of(session) == found, "the check changed something"
            if model is not None:
                copy_tree(session, model)
        return found

    def check(self, outcome: Outcome) -> None:
        materialize(outcome.image, self.path)
        found = self.look()
        assert self.history.holds(found, outcome.acknowledged), "not a state that was to be kept"
        if outcome.cut.chance("aftermath").random() < 0.1:
            assert self.look() == found, "another state after a clean close"

    def sweep(self, life: Life, keep: Path, count: int, steps: int) -> None:
        """Check every cut of so many lives; the files of one that fails go to `keep`."""
        for number, record, held in self.records(life, count, steps):
            promises = sum(isinstance(event, Acknowledge) for event in record.events)
            assert promises >= steps // 10, "too few promises to break"
            for outcome in outcomes(record, self._seed, number, held):
                outcome.run(self.check, keep)


@contextmanager
def seeded_ids(chance: random.Random) -> Iterator[None]:
    """Draw ids and keys from `chance`: rows are ordered by digests under them, and a cut that
    is run again must meet the same writes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "urandom", chance.randbytes)
        yield
