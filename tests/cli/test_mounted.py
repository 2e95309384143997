"""The command while the volume is mounted, and ending mounts."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import fail, succeed
from tests.fuse_mounts import mounts_below
from tests.mount.mounting import Mount


@pytest.fixture
def mounted(fuse: None, tmp_path: Path) -> Iterator[Mount]:  # noqa: ARG001
    with Mount(tmp_path) as mount:
        mount.start()
        yield mount


def is_whole(mount: Mount) -> bool:
    """Whether there is neither a log nor a mark: a plain copy is all there is."""
    return not Path(f"{mount.file}-wal").exists()


def test_both_doors_see_the_same(mounted: Mount, tree: Path, tmp_path: Path) -> None:
    (mounted / "by-mount").write_text("from the mount")
    assert not (mounted / "tree").exists()
    succeed("put", "-r", mounted.file, tree, "/")
    assert (mounted / "tree" / "note.txt").read_text() == "a note"
    assert (mounted / "tree" / "folder" / "up").read_text() == "a note"
    assert succeed("cat", mounted.file, "/by-mount").text == "from the mount"
    (mounted / "tree" / "note.txt").write_text("changed")
    assert succeed("cat", mounted.file, "/tree/another-name").text == "changed"
    succeed("mv", mounted.file, "/tree/note.txt", "/moved")
    assert (mounted / "moved").read_text() == "changed"
    assert not (mounted / "tree" / "note.txt").exists()
    succeed("cp", "-r", mounted.file, "/tree", "/copy")
    succeed("rm", "-r", mounted.file, "/tree")
    assert sorted(path.name for path in mounted.directory.iterdir()) == [
        "by-mount", "copy", "moved",
    ]  # fmt: skip
    succeed("get", "-r", mounted.file, "/", tmp_path / "out")
    assert (tmp_path / "out" / "copy" / "another-name").read_text() == "changed"
    succeed("mkdir", "-p", mounted.file, "/a/b")
    succeed("ln", "-s", mounted.file, "../moved", "/a/link")
    assert (mounted / "a" / "link").read_text() == "changed"
    assert succeed("check", "--deep", mounted.file).lines == ["no findings"]


def test_mounts(mounted: Mount) -> None:
    (session,) = succeed("mounts", "--json", mounted.file).json
    assert (session["door"], session["where"]) == ("fuse", str(mounted.directory))
    assert session["pid"] == mounted.pid
    assert f"main: mounted at {mounted.directory}" in succeed("mounts", mounted.file).text
    here = [it for it in succeed("mounts", "--json").json if it["where"] == str(mounted.directory)]
    assert here == [
        {"file": str(mounted.file), "where": str(mounted.directory), "read_only": False}
    ]
    assert f"{mounted.file} at {mounted.directory}, read-write" in succeed("mounts").lines


@pytest.mark.parametrize("by", ["directory", "file", "volume"])
def test_umount(mounted: Mount, by: str) -> None:
    (mounted / "kept").write_text("kept")
    word = {
        "directory": str(mounted.directory),
        "file": str(mounted.file),
        "volume": f"{mounted.file}:main",
    }[by]
    succeed("umount", word)
    assert not mounted.is_mounted
    assert is_whole(mounted)
    assert succeed("cat", mounted.file, "/kept").text == "kept"


def test_umount_by_a_relative_path_and_by_a_symlink(mounted: Mount, tmp_path: Path) -> None:
    succeed("umount", mounted.directory.name, cwd=tmp_path)
    assert is_whole(mounted)
    mounted.start()
    link = tmp_path / "link"
    link.symlink_to(mounted.directory)
    succeed("umount", link)
    assert is_whole(mounted)


def test_umount_of_a_dead_mount(mounted: Mount) -> None:
    (mounted / "kept").write_text("kept")
    os.sync()
    mounted.signal(signal.SIGKILL)
    mounted.wait_ended()
    assert mounts_below(mounted.directory) == [mounted.directory]
    succeed("umount", mounted.directory)
    assert not mounted.is_mounted
    assert list(mounted.directory.iterdir()) == []


def test_umount_where_the_owner_cannot_be_asked(mounted: Mount) -> None:
    (mounted / "kept").write_text("kept")
    status = mounted.file.stat()
    for socket in Path("/").glob(f"run/sqlfs/{status.st_dev:x}-{status.st_ino:x}.sock"):
        socket.unlink()
    fail("ls", mounted.file, code=6, says=f"in use by process {mounted.pid}")
    succeed("umount", mounted.directory)
    assert is_whole(mounted)
    assert succeed("cat", mounted.file, "/kept").text == "kept"


def test_umount_of_what_is_not_mounted(file: Path, tmp_path: Path) -> None:
    fail("umount", tmp_path, code=3, says=f"mounted at {tmp_path}")
    fail("umount", file, code=3, says="is not mounted")
    fail("umount", tmp_path / "missing", code=3, says="missing")
