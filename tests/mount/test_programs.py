"""Programs at work on a mount: what they put in is what they get out, also after a remount."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from pathlib import Path

import pytest

from tests.mount.mounting import Mount, run


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Real files of many sizes, with links, odd modes, times and special nodes."""
    top = tmp_path / "tree"
    shutil.copytree(Path(os.__file__).parent / "asyncio", top / "asyncio")
    shutil.copytree(Path(os.__file__).parent / "email", top / "email")
    (top / "empty").mkdir(0o700)
    (top / "link").symlink_to("email/__init__.py")
    (top / "dangling").symlink_to("nowhere")
    (top / "hard").hardlink_to(top / "asyncio" / "tasks.py")
    os.mkfifo(top / "fifo")
    (top / "large").write_bytes(os.urandom(3_000_000))
    (top / "tiny").write_bytes(b"x")
    (top / "tiny").chmod(0o4511)
    with (top / "sparse").open("wb") as stream:
        stream.truncate(50_000_000)
    os.utime(top / "tiny", ns=(1_000_000_001, 1_234_567_890_123_456_789))
    return top


def listing(top: Path) -> dict[str, tuple[object, ...]]:
    """What cp -a and tar must keep of each entry of a tree."""
    found = {}
    for path in [top, *sorted(top.rglob("*"))]:
        status = path.lstat()
        is_dir = stat.S_ISDIR(status.st_mode)
        found[str(path.relative_to(top))] = (
            status.st_mode,
            status.st_uid,
            status.st_gid,
            status.st_mtime_ns,
            None if is_dir else (status.st_size, status.st_nlink),
            path.readlink() if path.is_symlink() else None,
        )
    return found


def test_cp_and_diff(mounted: Mount, tree: Path) -> None:
    run("cp", "-a", tree, mounted / "copy")
    for _ in range(2):
        run("diff", "-r", "--no-dereference", "-x", "fifo", tree, mounted / "copy")
        assert listing(mounted / "copy") == listing(tree)
        mounted.remount()


def test_tar_there_and_back(mounted: Mount, tree: Path, tmp_path: Path) -> None:
    def pack(source: Path, *extract: str | Path) -> None:
        packed = tmp_path / "packed.tar"
        run("tar", "--format=posix", "-C", source, "-cf", packed, ".")
        run("tar", "-C", *extract, "-f", packed)

    pack(tree, mounted.directory, "-x")
    mounted.remount()
    pack(tree, mounted.directory, "-d")
    (tmp_path / "back").mkdir()
    pack(mounted.directory, tmp_path / "back", "-x")
    assert listing(tmp_path / "back") == listing(tree)


@pytest.mark.skipif(not shutil.which("rsync"), reason="rsync is not installed")
def test_rsync(mounted: Mount, tree: Path) -> None:
    # Without the window rsync leaves times alone that differ by less than a second.
    run("rsync", "-aH", "--modify-window=-1", f"{tree}/", mounted / "copy/")
    assert listing(mounted / "copy") == listing(tree)
    assert run("rsync", "-aHci", f"{tree}/", mounted / "copy/").stdout == ""


def test_git(mounted: Mount, tree: Path) -> None:
    def git(*arguments: str | Path) -> str:
        identity = ("-c", "user.name=Test", "-c", "user.email=test@localhost")
        return run("git", "-c", "init.defaultBranch=main", *identity, *arguments).stdout

    (tree / "fifo").unlink()
    git("-C", tree, "init")
    git("-C", tree, "add", ".")
    git("-C", tree, "commit", "-m", "first")
    clone = mounted / "clone"
    git("clone", tree, clone)
    (clone / "tiny").chmod(0o644)
    (clone / "tiny").write_text("changed")
    git("-C", clone, "commit", "-a", "-m", "second")
    git("-C", clone, "gc")
    mounted.remount()
    git("-C", clone, "fsck", "--strict")
    assert git("-C", clone, "status", "--porcelain") == ""
    assert git("-C", clone, "log", "--format=%s").split() == ["second", "first"]


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_a_database_inside(mounted: Mount, journal: str) -> None:
    path = mounted / "inner.sqlite"
    with sqlite3.connect(path) as database:
        assert database.execute(f"pragma journal_mode={journal}").fetchone() == (journal,)
        database.execute("create table t (id integer primary key, value blob)")
        for _ in range(10):
            database.executemany("insert into t(value) values (?)", [(os.urandom(500),)] * 200)
            database.commit()
        database.execute("delete from t where id % 3 = 0")
    database.close()
    mounted.remount()
    database = sqlite3.connect(path)
    assert database.execute("pragma integrity_check").fetchone() == ("ok",)
    assert database.execute("select count(*) from t").fetchone() == (1334,)
    database.close()
