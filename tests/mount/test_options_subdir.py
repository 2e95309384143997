"""`-o subdir=`: a directory of the volume as the mount's root."""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path

import pytest

import sqlfs
from sqlfs.cli.exits import Exit
from tests.mount.mounting import ENVIRONMENT, Mount, raises, run, sqlfs_mount
from tests.mount.test_refusals import refused


@pytest.fixture
def below(mounted: Mount) -> Mount:
    """Mounted at `/top/inner`, with `/secret` above."""
    (mounted / "secret").write_text("above")
    (mounted / "top" / "inner").mkdir(parents=True)
    (mounted / "top" / "inner" / "file").write_text("below")
    (mounted / "top" / "inner" / "upwards").symlink_to("../../secret")
    (mounted / "way").symlink_to("top/inner")
    (mounted / "top" / "inner").chmod(0o1750)
    mounted.remount("-o", "subdir=/top/inner")
    return mounted


def test_the_directory_is_the_root(below: Mount) -> None:
    assert sorted(os.listdir(below.directory)) == ["file", "upwards"]  # noqa: PTH208
    assert below.directory.stat().st_mode & 0o7777 == 0o1750
    assert below.directory.stat().st_ino == 1
    assert (below / "file").read_text() == "below"
    room = os.statvfs(below.directory)
    assert room.f_blocks > 0
    assert room.f_bfree > 0


def test_dot_dot_leads_out_of_the_mount_and_not_up_in_the_volume(below: Mount) -> None:
    assert (below.directory / "..").samefile(below.directory.parent)
    with raises(errno.ENOENT):
        (below / "upwards").read_text()


def test_what_is_made_is_the_volume_s(below: Mount) -> None:
    (below / "directory").mkdir()
    (below / "file").rename(below / "directory" / "moved")
    below.remount()
    assert (below / "top" / "inner" / "directory" / "moved").read_text() == "below"


@pytest.mark.parametrize("path", ["top/inner", "/top/./inner/", "/way", "/../top/inner"])
def test_how_a_directory_may_be_named(below: Mount, path: str) -> None:
    below.remount("-o", f"ro,subdir={path}")
    assert (below / "file").read_text() == "below"


@pytest.mark.parametrize(
    ("path", "code", "word"),
    [
        ("/nowhere", Exit.NOT_FOUND, "no directory '/nowhere'"),
        ("/secret", Exit.FAILED, "'/secret'"),
        ("/top/inner/upwards/x", Exit.FAILED, "not a directory"),
    ],
)
def test_what_is_no_directory(below: Mount, path: str, code: Exit, word: str) -> None:
    below.unmount()
    done = sqlfs_mount(below.file, below.directory, "-o", f"subdir={path}")
    refused(done, code, word, str(below.file))
    assert not below.is_mounted


def test_nothing_is_made_for_it(mount: Mount) -> None:
    arguments = (mount.file, mount.directory, "-o", "subdir=/top")
    refused(sqlfs_mount(*arguments), Exit.NOT_FOUND, str(mount.file))
    assert not mount.file.exists()
    mount.start()
    mount.unmount()
    refused(sqlfs_mount(*arguments, "--volume", "other"), Exit.NOT_FOUND, "'other'")


def test_moved_and_removed_by_another_door(below: Mount) -> None:
    with sqlfs.open(below.file) as store, store.mount() as volume:
        assert not store.is_owner
        volume.rename("/top/inner", "/elsewhere")
        assert (below / "file").read_text() == "below"
        volume.rmtree("/elsewhere")
    assert list(below.directory.iterdir()) == []
    with raises(errno.ENOENT):
        (below / "file").read_text()
    for make in (lambda: (below / "new").touch(), lambda: (below / "new").mkdir()):
        with raises(errno.ENOENT):
            make()
    assert below.directory.stat().st_nlink == 0
    below.unmount()


def test_what_other_doors_change_is_seen(below: Mount) -> None:
    assert (below / "file").stat().st_size == 5
    with sqlfs.open(below.file) as store, store.mount(subdir="/top") as volume:
        volume.write_bytes("/inner/file", b"longer than it was")
        volume.mkdir("/inner/new")
        with pytest.raises(FileNotFoundError):
            volume.read_bytes("/../secret")
    assert (below / "file").read_text() == "longer than it was"
    assert (below / "new").is_dir()


def test_it_is_listed(below: Mount) -> None:
    command = [sys.executable, "-m", "sqlfs.cli", "mounts", str(below.file)]
    said = run(*command, env=ENVIRONMENT).stdout
    assert f"main (only /top/inner): mounted at {below.directory}" in said
    (session,) = json.loads(run(*command, "--json", env=ENVIRONMENT).stdout)
    assert session["subdir"] == "/top/inner"


def test_a_name_that_options_would_trip_over(mounted: Mount) -> None:
    place = Path("a, b") / "c=d"
    (mounted / str(place)).mkdir(parents=True)
    (mounted / str(place) / "file").touch()
    escaped = str(place).replace(",", "\\,")
    mounted.remount("-o", f"subdir={escaped},noatime")
    assert [path.name for path in mounted.directory.iterdir()] == ["file"]
