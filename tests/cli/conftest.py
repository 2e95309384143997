"""Volume files for the commands, each alone and owned by another process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import sqlfs as api
from sqlfs.crypto import KdfParameters

QUICK_KDF = KdfParameters(memory_kib=64, passes=1, lanes=1)
PASSPHRASE = "correct horse"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with a plain volume, which nobody uses."""
    path = tmp_path / "volume.sqlite"
    with api.open(path, create=True) as store:
        store.create_volume("main")
    return path


@pytest.fixture(params=["alone", "owned"])
def shared_file(request: pytest.FixtureRequest, file: Path) -> Iterator[Path]:
    """The same, once also while this process owns it: the command is a client then."""
    if request.param == "alone":
        yield file
        return
    with api.open(file) as store:
        assert store.is_owner
        yield file


@pytest.fixture
def encrypted_file(tmp_path: Path) -> Path:
    """A file with a volume that ``PASSPHRASE`` unlocks in no time."""
    path = tmp_path / "encrypted.sqlite"
    with api.open(path, create=True) as store:
        store.create_volume("main", PASSPHRASE, kdf=QUICK_KDF)
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A local tree with a bit of everything."""
    top = tmp_path / "tree"
    (top / "folder" / "empty").mkdir(parents=True)
    (top / "note.txt").write_text("a note")
    (top / "folder" / "data").write_bytes(bytes(range(256)) * 5000)
    (top / "folder" / "none").touch()
    (top / "folder" / ".hidden").write_text("hidden")
    (top / "leads-away").symlink_to("/nowhere/at/all")
    (top / "folder" / "up").symlink_to("../note.txt")
    (top / "another-name").hardlink_to(top / "note.txt")
    (top / "note.txt").chmod(0o640)
    (top / "folder").chmod(0o750)
    return top
