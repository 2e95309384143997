"""A volume file that power cuts happen to."""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from sqlfs.crypto import KdfParameters, derive_kek
from sqlfs.maintenance import check_file
from sqlfs.namespace import clock
from sqlfs.volume import VolumeFile
from tests.model.session import ModelSession
from tests.power.beside import Beside
from tests.power.core_life import VOLUME, open_session
from tests.power.cuts import End, Lived, Outcome, outcomes, random_end
from tests.power.history import History
from tests.power.image import folder_image, materialize
from tests.power.record import Acknowledge, Record
from tests.power.tree_state import copy_tree, digest_of

PAGE_BYTES = 4096
CHUNK_BYTES = 4096
TREE_BYTES = 32  # of a state: the digest of the volume that the model follows
_KDF = KdfParameters(memory_kib=8, passes=1, lanes=1)


class Life(Protocol):
    """What one process does with the file."""

    def run(
        self,
        record: Record,
        model: ModelSession,
        chance: random.Random,
        history: History,
        steps: int,
    ) -> Record:
        """So many steps from what the file and `model` hold; `record`, gone on with."""


class Volume:
    """The file, and the states that it went through."""

    def __init__(self, folder: Path, seed: int, passphrase: bytes | None = None) -> None:
        self.path = folder / "volume.sqlite"
        self.kek: bytes | None = None
        self.history = History()
        self.cuts = 0
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

    def lives(self, life: Life, count: int, steps: int) -> Iterator[Lived]:
        """Lives in a row: every one but the first begins with what a random cut left."""
        end = End(folder_image(self.path), Record.of(self.path.parent), held=0)
        for number in range(count):
            model = ModelSession()
            materialize(end.image, self.path)
            found = self.look(model)
            self.history.beside = found[TREE_BYTES:]
            if number == 0:
                self.history.add(found[:TREE_BYTES])
            self.history.cut_to(found)
            materialize(end.image, self.path)
            held = self.history.last if end.held is None else end.held
            begin = len(end.record.events)
            with seeded_ids(self._chance):
                record = life.run(end.record, model, self._chance, self.history, steps)
            lived = Lived(number, record, begin, held)
            yield lived
            end = random_end(lived, self._seed, self._chance)

    def look(self, model: ModelSession | None = None) -> bytes:
        """Open the file as the next owner would, and check it; the state it holds.

        An empty `model` is made to hold the same.
        """
        with VolumeFile.open(self.path, background=False) as opened:
            assert opened.notices == [], "power that goes damages nothing"
            session = open_session(opened, self.kek)
            beside = Beside(opened, VOLUME)
            found = digest_of(session) + beside.state()
            findings = check_file(opened)
            assert not findings, f"not sound: {findings[0]}"
            assert digest_of(session) + beside.state() == found, "the check changed something"
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
        for lived in self.lives(life, count, steps):
            events = lived.record.events[lived.begin :]
            promises = sum(isinstance(event, Acknowledge) for event in events)
            assert promises >= 3, "too few promises to break"
            for outcome in outcomes(lived, self._seed):
                outcome.run(self.check, keep)
                self.cuts += 1
        print(f"{self.cuts} cuts")


@contextmanager
def seeded_ids(chance: random.Random) -> Iterator[None]:
    """Draw ids and keys from `chance`: rows are ordered by digests under them, and a cut that
    is run again must meet the same writes.  For the same reason each time is another one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "urandom", chance.randbytes)
        times = itertools.count(time.time_ns(), 1_000_000)
        patch.setattr(clock, "now_ns", lambda: next(times))
        yield
