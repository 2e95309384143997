"""A mount under power cuts: what fsync(2) returned from is kept, and all is a state that was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.power.cuts import seeds
from tests.power.mounted_life import MountedLife
from tests.power.volume import Volume


@pytest.mark.parametrize("seed", seeds(1))
def test_every_cut_of_a_mount(seed: int, fuse: None, disk_folder: Path, tmp_path: Path) -> None:  # noqa: ARG001
    volume = Volume(disk_folder, seed)
    volume.sweep(MountedLife(volume.path, tmp_path), tmp_path, count=2, steps=36)
