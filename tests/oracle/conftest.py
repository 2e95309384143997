"""A mount and what it is judged by: gone after each test, whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oracle.pair import Pair, oracle_directory
from tests.oracle.volume import PatientVolume


@pytest.fixture(params=["plain", "encrypted"])
def volume(
    request: pytest.FixtureRequest,
    fuse: None,  # noqa: ARG001
    tmp_path: Path,
) -> Iterator[PatientVolume]:
    """A new volume, mounted; once plain, once encrypted."""
    with PatientVolume(tmp_path, encrypted=request.param == "encrypted") as volume:
        volume.make()
        yield volume


@pytest.fixture
def pair(volume: PatientVolume, tmp_path: Path) -> Iterator[Pair]:
    with oracle_directory(tmp_path) as oracle:
        yield Pair(volume, oracle)
