"""Specimens, built once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.specimens import Specimen
from tests.salvage.building import build_all


@pytest.fixture(scope="session")
def specimens(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Specimen]:
    return build_all(tmp_path_factory.mktemp("specimens"))


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """Where to put a file that is to be salvaged."""
    return tmp_path / "broken.sqlite"
