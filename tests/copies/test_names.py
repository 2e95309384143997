"""A file that is renamed, replaced, removed, linked, bound or found on another device while it is
in use: the full state, or an error that says what happened."""

from __future__ import annotations

import logging
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from sqlfs.errors import InputOutput, Invalid, MissingLog
from sqlfs.volume import VolumeFile
from sqlfs.volume.files import FileSystem
from tests.mount.mounting import run, wait_until
from tests.owner.processes import running

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "volume.sqlite"


@contextmanager
def used(path: Path) -> Iterator[FileSystem]:
    """A volume in use, with a name that is durable and in the log alone."""
    with VolumeFile.open(path, create=True) as file:
        if not file.volumes():
            file.create_volume("main")
        with FileSystem(file.session("main")) as files:
            put(files, "/first")
            put(files, "/second")
            yield files


def put(files: FileSystem, name: str) -> None:
    files.write_text(name, name)
    files.sync()


def names(path: Path, *, read_only: bool = False, set_aside: bool = False) -> list[str]:
    with VolumeFile.open(path, background=False, read_only=read_only) as file:
        asides = [notice.endswith("-wal.unmatched-1") for notice in file.notices]
        assert asides == [True] * set_aside
        return sorted(FileSystem(file.session("main")).listdir("/"))


def refuses_to_go_on(files: FileSystem, *said: str) -> None:
    """Nothing is acknowledged any more, and reading goes on."""
    with pytest.raises(InputOutput) as caught:
        put(files, "/third")
    for words in said:
        assert words in caught.value.message
    for _ in range(2):
        with pytest.raises(InputOutput):
            files.sync()
        with pytest.raises(InputOutput):
            files.mkdir("/fourth")
    assert files.read_text("/second") == "/second"


def test_a_file_that_was_renamed(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    other = path.with_name("other.sqlite")
    with used(path) as files:
        path.rename(other)
        refuses_to_go_on(files, str(path), str(other))
    assert str(other) in caplog.text
    assert not path.with_name(path.name + "-wal").exists()
    assert names(other)[:2] == ["first", "second"]


def test_an_owner_notices_at_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    other = path.with_name("other.sqlite")
    with used(path) as files:
        path.rename(other)
        wait_until(lambda: str(other) in caplog.text, "the log names both")
        with pytest.raises(InputOutput):
            files.mkdir("/third")


def test_a_file_that_was_replaced(path: Path) -> None:
    with used(path):
        pass
    copy = path.with_name("copy.sqlite")
    shutil.copy(path, copy)
    with used(path) as files:
        files.write_text("/later", "")
        copy.replace(path)
        refuses_to_go_on(files, str(path), "(deleted)")
        assert names(path, set_aside=True) == ["first", "second"]
    assert names(path) == ["first", "second"]


def test_a_file_that_was_removed(path: Path) -> None:
    with used(path) as files:
        path.unlink()
        refuses_to_go_on(files, str(path), "(deleted)")
    assert not path.exists()


def test_a_log_that_was_removed(path: Path) -> None:
    with used(path) as files:
        path.with_name(path.name + "-wal").unlink()
        refuses_to_go_on(files, "volume.sqlite-wal was removed")
    assert names(path)[:2] == ["first", "second"]


def test_a_folder_that_was_renamed(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with used(folder / "volume.sqlite") as files:
        folder.rename(tmp_path / "elsewhere")
        refuses_to_go_on(files, str(tmp_path / "elsewhere"))
    assert names(tmp_path / "elsewhere" / "volume.sqlite")[:2] == ["first", "second"]


@contextmanager
def killed(path: Path) -> Iterator[None]:
    """A volume whose owner is killed when the block is done; its log holds the last name."""
    with running("tests.copies.owner", path) as owner:
        for name in ("first", "second"):
            owner.say(f"put {name}")
            owner.expect("DONE")
        yield
        owner.signal(signal.SIGKILL)


def test_a_second_name_and_a_kill(path: Path) -> None:
    other = path.with_name("other.sqlite")
    with killed(path):
        os.link(path, other)
    for place in (path, other):
        with pytest.raises(Invalid, match="2 names"):
            VolumeFile.open(place)
    assert names(path, read_only=True) == ["first", "second"]
    with VolumeFile.open(other, read_only=True) as file:
        assert "other.sqlite-wal is missing" in file.notices[0]
    other.unlink()
    assert names(path) == ["first", "second"]


def test_another_name_and_a_kill(path: Path) -> None:
    other = path.with_name("other.sqlite")
    with killed(path):
        path.rename(other)
    with pytest.raises(MissingLog, match=r"other\.sqlite-wal is missing"):
        VolumeFile.open(other)
    path.with_name(path.name + "-wal").rename(other.with_name(other.name + "-wal"))
    assert names(other) == ["first", "second"]


@root_only
def test_another_place_and_a_kill(path: Path, tmp_path: Path) -> None:
    place = tmp_path / "bound.sqlite"
    place.touch()
    with killed(path):
        run("mount", "--bind", path, place)
    try:
        with pytest.raises(MissingLog, match=r"bound\.sqlite-wal is missing"):
            VolumeFile.open(place)
        assert names(path) == ["first", "second"]
        assert names(place) == ["first", "second"], "closed cleanly, it needs no log"
    finally:
        run("umount", place)


@contextmanager
def attached(image: Path, directory: Path) -> Iterator[None]:
    """The file system in `image`, mounted by a loop device."""
    device = run("losetup", "-f", "--show", image).stdout.strip()
    try:
        run("mount", device, directory)
        try:
            yield
        finally:
            run("umount", directory)
    finally:
        run("losetup", "-d", device)


@root_only
@pytest.mark.parametrize("ends", [used, killed], ids=["closed", "killed"])
def test_another_device_number_makes_no_copy(
    tmp_path: Path, ends: Callable[[Path], AbstractContextManager[object]]
) -> None:
    image, directory = tmp_path / "image", tmp_path / "disk"
    path = directory / "volume.sqlite"
    directory.mkdir()
    with image.open("wb") as blank:
        blank.truncate(64 << 20)
    run("mkfs.ext4", "-q", image)
    looks: list[int] = []
    with attached(image, directory):
        with ends(path):
            pass
        before = path.stat()
    # The next time the image comes by another device.
    taken = run("losetup", "-f", "--show", image).stdout.strip()
    try:
        with attached(image, directory):
            after = path.stat()
            assert before.st_dev != after.st_dev
            assert before.st_ino == after.st_ino
            with VolumeFile.open(
                path, background=False, progress=lambda done, _: looks.append(done)
            ) as file:
                assert file.notices == []
                with FileSystem(file.session("main")) as files:
                    assert sorted(files.listdir("/")) == ["first", "second"]
    finally:
        run("losetup", "-d", taken)
    assert looks == []
