"""Fixtures: a path for a volume file, and how two doors to it are opened."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import sqlfs
from sqlfs.owner import opening
from tests.owner.processes import Program, serving


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "volume.sqlite"


@pytest.fixture
def owner(path: Path) -> Iterator[sqlfs.Store]:
    """This process, as the owner of a file with one plain volume."""
    with sqlfs.open(path, create=True) as store:
        assert store.is_owner
        store.create_volume("main")
        yield store


@pytest.fixture
def client(owner: sqlfs.Store) -> Iterator[sqlfs.Store]:
    """A client in the same process."""
    with sqlfs.open(owner.path) as store:
        assert not store.is_owner
        yield store


@pytest.fixture
def server(path: Path) -> Iterator[Program]:
    """Another process, as the owner of a file with one plain volume."""
    with serving(path) as program:
        with sqlfs.open(path) as store:
            store.create_volume("main")
        yield program


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give an owner that can't be reached less time."""
    monkeypatch.setattr(opening, "_SETTLED_S_MAX", 0.1)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can enter, unlike pytest's."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
