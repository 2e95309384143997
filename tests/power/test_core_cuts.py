"""The core under power cuts: every one mounts by itself, is sound, and is a state that was."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sqlfs.crypto import KdfParameters, derive_kek
from sqlfs.maintenance import check_file
from sqlfs.volume import VolumeFile, file
from tests.power.core_workload import CHUNK_BYTES, VOLUME, CoreLife, open_session
from tests.power.cuts import Outcome, image_after, outcomes, random_cut, seeds
from tests.power.history import History
from tests.power.image import materialize
from tests.power.record import Event, Recorder, Write
from tests.power.tree_state import digest_of

PAGE_BYTES = 4096
_KDF = KdfParameters(memory_kib=8, passes=1, lanes=1)


class Volume:
    """A volume file that power cuts happen to, and what it went through."""

    def __init__(self, folder: Path, seed: int, passphrase: bytes | None = None) -> None:
        self.path = folder / "volume.sqlite"
        self.history = History()
        self._seed = seed
        self._chance = random.Random(seed)
        self._kek: bytes | None = None
        with (
            seeded_ids(self._chance),
            VolumeFile.open(self.path, create=True, page_size=PAGE_BYTES, background=False) as made,
        ):
            made.create_volume(VOLUME, passphrase, chunk_size=CHUNK_BYTES, kdf=_KDF)
            if passphrase is not None:
                ((_, slot),) = made.slots(VOLUME)
                self._kek = derive_kek(passphrase, slot.salt, slot.kdf)

    def records(self, count: int, steps: int) -> Iterator[tuple[int, Recorder, int]]:
        """Lives in a row, each with its record and what held at its start: every one but the
        first begins with what a random cut of the one before left."""
        held = 0
        for number in range(count):
            with seeded_ids(self._chance):
                life = CoreLife(self.path, self._chance, self.history, self._kek)
                life.run(steps)
            yield number, life.recorder, held
            cut = random_cut(life.recorder, self._seed, number, self._chance)
            image = image_after(life.recorder, cut)
            materialize(image, self.path)
            self.history.cut_to(self.look())
            held = self.history.last
            materialize(image, self.path)

    def look(self) -> bytes:
        """Open the file as the next owner would, and check it; returns the state it holds."""
        with VolumeFile.open(self.path, background=False) as opened:
            session = open_session(opened, self._kek)
            found = digest_of(session)
            assert check_file(opened) == []
            assert digest_of(session) == found, "the check changed something"
        return found

    def check(self, outcome: Outcome) -> None:
        materialize(outcome.image, self.path)
        found = self.look()
        assert self.history.holds(found, outcome.acknowledged), "not a state that was to be kept"
        if outcome.cut.chance("aftermath").random() < 0.1:
            assert self.look() == found, "another state after a clean close"

    def sweep(self, count: int, steps: int) -> None:
        for number, recorder, held in self.records(count, steps):
            for outcome in outcomes(recorder, self._seed, number, held):
                outcome.run(self.check)


@contextmanager
def seeded_ids(chance: random.Random) -> Iterator[None]:
    """Draw ids and keys from `chance`: rows are ordered by digests under them, and a cut that
    is run again must meet the same writes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "urandom", chance.randbytes)
        yield


@pytest.fixture(autouse=True)
def nobody_watching(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else opens the images, and closing an inotify instance takes the kernel 10 ms."""
    monkeypatch.setattr(file, "OpenWatch", NoWatch)


class NoWatch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def busy(self) -> bool:
        return False

    def close(self) -> None:
        pass


def test_a_seed_gives_the_same_life_again(tmp_path: Path) -> None:
    shapes = []
    for name in ("once", "again"):
        folder = tmp_path / name
        folder.mkdir()
        ((_, recorder, _),) = Volume(folder, seed=5, passphrase=b"pass").records(1, steps=60)
        shapes.append([shape(event) for event in recorder.events])
    assert shapes[0] == shapes[1]


def shape(event: Event) -> Event:
    """The event without its bytes: times differ."""
    return replace(event, data=bytes(len(event.data))) if isinstance(event, Write) else event


@pytest.mark.parametrize("seed", seeds(2))
def test_every_cut_of_a_plain_volume(seed: int, disk_folder: Path) -> None:
    Volume(disk_folder, seed).sweep(count=2, steps=50)


@pytest.mark.parametrize("seed", seeds(1, first=1001))
def test_every_cut_of_an_encrypted_volume(seed: int, disk_folder: Path) -> None:
    Volume(disk_folder, seed, passphrase=b"correct horse").sweep(count=1, steps=50)
