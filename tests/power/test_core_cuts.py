"""The core under power cuts: every one mounts by itself, is sound, and is a state that was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sqlfs.volume import VolumeFile
from sqlfs.volume.work import Work
from tests.power.core_life import CoreLife
from tests.power.cuts import seeds
from tests.power.record import Event, Write
from tests.power.volume import Volume

PASSPHRASE = b"correct horse"


@pytest.mark.parametrize("seed", seeds(2))
def test_every_cut_of_a_plain_volume(seed: int, disk_folder: Path, tmp_path: Path) -> None:
    volume = Volume(disk_folder, seed)
    volume.sweep(CoreLife(volume.path, volume.kek), tmp_path, count=2, steps=26)


@pytest.mark.parametrize("seed", seeds(1, first=1001))
def test_every_cut_of_an_encrypted_volume(seed: int, disk_folder: Path, tmp_path: Path) -> None:
    volume = Volume(disk_folder, seed, PASSPHRASE)
    volume.sweep(CoreLife(volume.path, volume.kek), tmp_path, count=1, steps=26)


def test_backups_are_of_their_moment(disk_folder: Path) -> None:
    volume = Volume(disk_folder, seed=7)
    life = CoreLife(volume.path, volume.kek)
    for _ in volume.lives(life, count=2, steps=300):
        pass
    assert life.backups_finished > 3
    assert life.folded > 0


def test_an_fsync_that_only_commits_is_found_out(
    disk_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VolumeFile, "durable", VolumeFile.commit)
    volume = Volume(disk_folder, seed=1)
    life = CoreLife(volume.path, volume.kek)
    with pytest.raises(AssertionError, match="not a state that was to be kept"):
        volume.sweep(life, tmp_path, count=1, steps=40)


def test_content_that_lags_behind_its_names_is_found_out(
    disk_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Work, "flush", lambda _: None)
    volume = Volume(disk_folder, seed=1)
    life = CoreLife(volume.path, volume.kek)
    with pytest.raises(AssertionError, match=r"after the cut|a backup"):
        volume.sweep(life, tmp_path, count=1, steps=40)


def test_a_seed_gives_the_same_life_again(tmp_path: Path) -> None:
    shapes = []
    for name in ("once", "again"):
        folder = tmp_path / name
        folder.mkdir()
        volume = Volume(folder, seed=5, passphrase=PASSPHRASE)
        life = CoreLife(volume.path, volume.kek)
        (lived,) = volume.lives(life, count=1, steps=60)
        shapes.append([shape(event) for event in lived.record.events])
    assert shapes[0] == shapes[1]


def shape(event: Event) -> Event:
    """The event without its bytes: times differ."""
    return replace(event, data=bytes(len(event.data))) if isinstance(event, Write) else event
