"""Fixtures: a volume by path over the model, the owner and a client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import sqlfs
from tests.model.session import ModelSession


@pytest.fixture(params=["model", "owner", "client"])
def fs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sqlfs.FileSystem]:
    if request.param == "model":
        with sqlfs.FileSystem(ModelSession()) as it:
            yield it
        return
    path = tmp_path / "volume.sqlite"
    with sqlfs.open(path, create=True) as owner, sqlfs.open(path) as client:
        owner.create_volume("main", chunk_size=4096)
        with (owner if request.param == "owner" else client).mount() as it:
            yield it
