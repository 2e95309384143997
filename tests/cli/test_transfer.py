"""put and get: what goes in comes out, with all that belongs to it."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import sqlfs as api
from tests.cli.running import ENVIRONMENT, fail, sqlfs, succeed


def snapshot(top: Path) -> dict[str, tuple[object, ...]]:
    """Everything below `top` that a copy keeps: by path, all but change times and inodes."""
    found: dict[str, tuple[object, ...]] = {}
    firsts: dict[int, str] = {}
    for path in sorted([top, *top.rglob("*")]):
        status = path.lstat()
        name = str(path.relative_to(top))
        what: object = None
        if stat.S_ISREG(status.st_mode):
            what = (path.read_bytes(), firsts.setdefault(status.st_ino, name))
        elif stat.S_ISLNK(status.st_mode):
            what = path.readlink()
        elif stat.S_ISCHR(status.st_mode):
            what = status.st_rdev
        found[name] = (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, what)
    return found


def test_a_tree_comes_out_as_it_went_in(shared_file: Path, tree: Path, tmp_path: Path) -> None:
    os.utime(tree / "folder", ns=(1, 1_234_567_890_123_456_789))
    os.utime(tree / "leads-away", ns=(1, 987_654_321_000_000_001), follow_symlinks=False)
    os.mkfifo(tree / "fifo", 0o600)
    # The path of a socket is short.
    with socket.socket(socket.AF_UNIX) as listener, contextlib.chdir(tree):
        listener.bind("socket")
    if os.geteuid() == 0:
        os.mknod(tree / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        os.chown(tree / "folder" / "data", 1234, 5678)
        (tree / "folder" / "none").chmod(0o4755)
    succeed("put", "-r", shared_file, tree, "/")
    succeed("get", "-r", shared_file, "/tree", tmp_path / "out")
    assert snapshot(tmp_path / "out") == snapshot(tree)


def test_a_second_time_changes_nothing(shared_file: Path, tree: Path, tmp_path: Path) -> None:
    for _ in range(2):
        succeed("put", "-r", shared_file, f"{tree}/.", "/")
        succeed("get", "-r", shared_file, "/", tmp_path / "out")
    assert snapshot(tmp_path / "out") == snapshot(tree)


def test_where_copies_go(shared_file: Path, tree: Path, tmp_path: Path) -> None:
    note, data = tree / "note.txt", tree / "folder" / "data"
    succeed("put", shared_file, note, "/renamed")
    succeed("mkdir", shared_file, "/into")
    succeed("put", shared_file, note, data, "into")
    assert succeed("ls", shared_file, "/into", "/").lines == [
        "/into:", "data", "note.txt", "", "/:", "into", "renamed",
    ]  # fmt: skip
    fail("put", shared_file, note, data, "/renamed", code=1, says="'/renamed' is not a directory")
    fail("put", shared_file, note, "/missing/", code=1, says="'/missing/' is not a directory")
    fail("put", shared_file, note, "/missing/x", code=3, says="'/missing/x'")
    fail("put", shared_file, tree, "/x", code=1, says="put -r")
    out = tmp_path / "out"
    succeed("get", shared_file, "/renamed", out)
    assert out.read_text() == "a note"
    fail("get", shared_file, "/renamed", "/into/data", out, code=1, says="is not a directory")
    fail("get", shared_file, "/into", out, code=1, says="get -r")
    fail("get", "-r", shared_file, "/into", out, code=1, says=f"'{out}'")
    out.unlink()
    out.mkdir()
    succeed("get", shared_file, "/renamed", "/into/data", out)
    assert sorted(path.name for path in out.iterdir()) == ["data", "renamed"]


def test_one_file_that_fails_does_not_stop_the_others(
    shared_file: Path, tree: Path, tmp_path: Path
) -> None:
    words = ["put", shared_file, tree / "missing", tree / "note.txt", "/"]
    fail(*words, code=3, says="missing': No such file")
    assert succeed("ls", shared_file).lines == ["note.txt"]
    out = tmp_path / "out"
    out.mkdir()
    fail("get", shared_file, "/missing", "/note.txt", out, code=3, says="'/missing'")
    assert [path.name for path in out.iterdir()] == ["note.txt"]


def test_symlinks_are_followed_unless_recursive(shared_file: Path, tree: Path) -> None:
    succeed("put", shared_file, tree / "folder" / "up", "/followed")
    succeed("put", "-r", shared_file, tree / "folder" / "up", "/kept")
    followed, kept = succeed("stat", "--json", shared_file, "/followed", "/kept").json
    assert (followed["type"], followed["size"], kept["type"]) == ("file", 6, "symlink")
    fail("put", shared_file, tree / "leads-away", "/x", code=3, says="leads-away")


def test_a_copy_changes_nothing_through_links(shared_file: Path, tree: Path) -> None:
    succeed("put", "-r", shared_file, tree / "note.txt", "/note")
    succeed("ln", shared_file, "/note", "/same")
    succeed("ln", "-s", shared_file, "note", "/leads-there")
    for name in ("same", "leads-there"):
        succeed("put", "-r", shared_file, tree / "folder" / "data", f"/{name}")
        assert succeed("stat", "--json", shared_file, f"/{name}").json[0]["size"] == 256 * 5000
    assert succeed("cat", shared_file, "/note").output == b"a note"


def test_nothing_is_written_through_local_symlinks(
    shared_file: Path, tree: Path, tmp_path: Path
) -> None:
    """They may be anybody's: only what the user named is followed."""
    succeed("put", "-r", shared_file, tree, "/")
    outside = tmp_path / "outside"
    (outside / "folder").mkdir(parents=True)
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    out = tmp_path / "out"
    out.mkdir()
    (out / "note.txt").symlink_to(victim)
    (out / "folder").symlink_to(outside)
    fail("get", "-r", shared_file, "/tree/.", out, code=1, says="folder'")
    assert victim.read_text() == "untouched"
    assert list(outside.iterdir()) == [outside / "folder"]
    assert (out / "note.txt").read_text() == "a note"
    chosen = tmp_path / "chosen"
    chosen.symlink_to(victim)
    succeed("get", shared_file, "/tree/note.txt", chosen)
    assert victim.read_text() == "a note"


def test_holes_stay_holes(shared_file: Path, tmp_path: Path) -> None:
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as stream:
        for place in (0, 50_000_000, 99_000_000):
            stream.seek(place)
            stream.write(b"data" * 1000)
        stream.truncate(200_000_000)
    succeed("put", shared_file, sparse, "/")
    (stored,) = succeed("stat", "--json", shared_file, "/sparse").json
    assert stored["size"] == 200_000_000
    assert stored["allocated"] < 5_000_000
    out = tmp_path / "out"
    succeed("get", shared_file, "/sparse", out)
    assert out.stat().st_size == 200_000_000
    assert out.stat().st_blocks * 512 < 5_000_000
    with sparse.open("rb") as before, out.open("rb") as after:
        while piece := before.read(1 << 20):
            assert piece == after.read(1 << 20)


def test_a_file_that_is_all_hole(shared_file: Path, tmp_path: Path) -> None:
    hole = tmp_path / "hole"
    hole.touch()
    os.truncate(hole, 10_000_001)
    succeed("put", shared_file, hole, "/")
    succeed("get", shared_file, "/hole", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == bytes(10_000_001)


def test_a_terabyte_that_is_mostly_hole(shared_file: Path, tmp_path: Path) -> None:
    sparse, out = tmp_path / "sparse", tmp_path / "out"
    with sparse.open("wb") as stream:
        stream.seek(2**39)
        stream.write(b"data")
        stream.truncate(2**40)
    succeed("put", shared_file, sparse, "/")
    succeed("get", shared_file, "/sparse", out)
    assert out.stat().st_size == 2**40
    assert out.stat().st_blocks * 512 < 5_000_000
    with out.open("rb") as stream:
        assert os.lseek(stream.fileno(), 0, os.SEEK_DATA) <= 2**39
        stream.seek(2**39)
        assert stream.read(6) == b"data\0\0"


def test_a_shorter_file_replaces_a_longer_one(
    shared_file: Path, tree: Path, tmp_path: Path
) -> None:
    long, short, out = tree / "folder" / "data", tree / "note.txt", tmp_path / "out"
    for local in (long, short):
        succeed("put", shared_file, local, "/x")
        succeed("get", shared_file, "/x", out)
        assert out.read_bytes() == local.read_bytes()


def test_xattrs(shared_file: Path, tree: Path, tmp_path: Path) -> None:
    try:
        os.setxattr(tree / "note.txt", "user.colour", b"blue\0")
        os.setxattr(tree / "folder", "user.kind", b"many")
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        pytest.skip("no xattrs on this file system")
    succeed("put", "-r", shared_file, tree, "/")
    succeed("get", "-r", shared_file, "/tree", tmp_path / "out")
    assert os.getxattr(tmp_path / "out" / "note.txt", "user.colour") == b"blue\0"
    assert os.getxattr(tmp_path / "out" / "folder", "user.kind") == b"many"


REFUSING = """
import errno, os, sys
from sqlfs.cli.main import main

def refuse(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

os.setxattr = refuse
sys.exit(main(sys.argv[1:]))
"""


def test_an_attribute_that_has_no_place_costs_itself_alone(file: Path, tmp_path: Path) -> None:
    with api.open(file) as store, store.mount("main") as files:
        for name in ("/a", "/b"):
            files.write_bytes(name, b"content")
            files.setxattr(name, "user.large", b"-" * 20_000)
    done = subprocess.run(
        [sys.executable, "-c", REFUSING, "get", "-r", file, "/", tmp_path / "out"],
        env=ENVIRONMENT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("without its attribute 'user.large'") == 2
    assert (tmp_path / "out" / "b").read_bytes() == b"content"


def test_the_volume_file_is_let_be(shared_file: Path, tree: Path, tmp_path: Path) -> None:
    alias = tmp_path / "alias"
    alias.symlink_to(shared_file)
    succeed("put", shared_file, tree / "note.txt", "/")
    for name in (shared_file, alias, f"{shared_file}-wal"):
        fail("put", shared_file, name, "/x", code=1, says="volume file itself")
        fail("get", shared_file, "/note.txt", name, code=1, says="volume file itself")
    fail("put", alias, shared_file, "/x", code=1, says="volume file itself")
    whole = sqlfs("put", "-r", shared_file, tmp_path, "/")
    assert whole.code == 1
    assert {whole.errors.count(part) for part in (".sqlite'", ".sqlite-wal'")} == {1}
    assert succeed("check", "--deep", shared_file).lines == ["no findings"]


def test_a_crafted_name_does_not_leave_the_directory(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file may come from anybody, and need not have been written by sqlfs."""
    with monkeypatch.context() as patched:
        patched.setattr("sqlfs.namespace.tree.check_name", lambda _: None)
        with api.open(file) as store, store.mount("main") as files:
            session = files.session
            clone = files.write_bytes("/x", b"gotcha")
            assert clone == 6
            session.link(files.stat("/x").st_ino, session.root, b"../escaped")
    out = tmp_path / "deep" / "out"
    out.mkdir(parents=True)
    outcome = sqlfs("get", "-r", file, "/", out)
    assert "name that is lost" in outcome.errors
    assert not (tmp_path / "deep" / "escaped").exists()
    (found,) = (each for each in out.rglob("*") if each.is_file() and each.name != "x")
    assert found.read_bytes() == b"gotcha"


def test_full_local_disk(shared_file: Path, tree: Path) -> None:
    before = Path("/dev/full").stat().st_mode
    succeed("put", shared_file, tree / "folder" / "data", "/")
    fail("get", shared_file, "/data", "/dev/full", code=1, says="'/dev/full': No space")
    assert Path("/dev/full").stat().st_mode == before
