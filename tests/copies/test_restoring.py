"""An older file in the place of a newer one, beside its log: the state of one of them, or an error
that says what to do.  Never a mixture."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import sqlfs as api
from sqlfs.errors import MissingLog
from sqlfs.maintenance import check_file
from sqlfs.store import log_path
from sqlfs.volume import VolumeFile
from sqlfs.volume.files import FileSystem
from tests.cli.running import sqlfs
from tests.copies.test_names import killed, put, used
from tests.mount.mounting import run

Restore = Callable[[Path, Path], object]

# By a new file of that name, or in the old one's bytes.
WAYS: dict[str, Restore] = {"mv": shutil.move, "cp": shutil.copyfile}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    given: str = request.param
    return given


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "volume.sqlite"


@pytest.fixture
def older(tmp_path: Path) -> Path:
    return tmp_path / "older.sqlite"


def names(path: Path, **how: bool) -> tuple[list[str], list[str]]:
    """What the file holds, and what was said when it was opened."""
    with VolumeFile.open(path, background=False, **how) as file:  # type: ignore[arg-type]
        assert check_file(file, deep=True) == []
        with FileSystem(file.session("main")) as files:
            return sorted(files.listdir("/")), file.notices


def assert_aside(said: list[str], path: Path) -> None:
    assert any("does not belong" in line and "-wal.unmatched-1" in line for line in said)
    assert log_path(path).with_name(log_path(path).name + ".unmatched-1").exists()


def test_a_file_that_was_closed(path: Path, older: Path, way: str) -> None:
    with used(path):
        pass
    shutil.copyfile(path, older)
    with killed(path):
        pass
    WAYS[way](older, path)
    held, said = names(path)
    assert held == ["first", "second"]
    assert_aside(said, path)


def test_a_backup(path: Path, older: Path, way: str) -> None:
    with used(path):
        pass
    with api.open(path) as store, store.mount("main") as files:
        put(files, "/only then")
        store.backup(older)
        files.remove("/only then")
    with killed(path):
        pass
    WAYS[way](older, path)
    held, said = names(path)
    assert held == ["first", "only then", "second"]
    assert_aside(said, path)


def test_a_copy_of_a_file_in_use(path: Path, older: Path, way: str) -> None:
    """Written over the very file that it was made of, it can't be told from that one without its
    log: that is said, and the state can be accepted."""
    with used(path) as files:
        put(files, "/only then")
        run("cp", path, older)
        files.remove("/only then")
    with killed(path):
        pass
    WAYS[way](older, path)
    if way == "cp":
        with pytest.raises(MissingLog, match="--accept-state"):
            VolumeFile.open(path)
        accepted = sqlfs("ls", path, "/", "--accept-state")
        assert accepted.code == 0
        assert_aside([accepted.errors], path)
        held, said = names(path)
        assert said == []
    else:
        held, said = names(path)
        assert_aside(said, path)
        assert any("is a copy" in line for line in said)
    assert held[0] == "first"
    assert set(held) >= {"first", "second"}


def test_a_newer_file_beside_an_older_log(path: Path) -> None:
    with killed(path):
        pass
    log = log_path(path).read_bytes()
    assert names(path) == (["first", "second"], [])
    with used(path) as files:
        put(files, "/newer")
    log_path(path).write_bytes(log)
    held, said = names(path)
    assert held == ["first", "newer", "second"]
    assert_aside(said, path)


def test_both_from_one_moment(path: Path, older: Path) -> None:
    """File and log, copied while nobody uses them, are the full state."""
    with killed(path):
        pass
    shutil.copyfile(path, older)
    shutil.copyfile(log_path(path), log_path(older))
    assert names(older)[0] == ["first", "second"]
    assert names(path) == (["first", "second"], [])
