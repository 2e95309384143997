"""Attributes by path: stat, times, owners, extended attributes, room."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

import sqlfs
from sqlfs.errors import (
    AlreadyExists,
    ConnectionLost,
    Invalid,
    NoAttribute,
    NotADirectory,
    NotFound,
    ReadOnly,
    SymlinkLoop,
)
from sqlfs.namespace import clock
from tests.model.session import ModelSession


@pytest.fixture
def path(fs: sqlfs.FileSystem) -> str:
    fs.write_bytes("/file", b"content")
    fs.symlink("file", "/link")
    return "/file"


class TestStat:
    def test_is_what_os_gives(self, fs: sqlfs.FileSystem, path: str, tmp_path: Path) -> None:
        real = tmp_path / "real"
        real.write_bytes(b"content")
        real.chmod(0o640)
        os.utime(real, ns=(1_500_000_000_123_456_789, -1_500_000_001))
        fs.chmod(path, 0o640)
        fs.utime(path, ns=(1_500_000_000_123_456_789, -1_500_000_001))
        ours, theirs = fs.stat(path), os.stat(real)  # noqa: PTH116
        for name in ("mode", "nlink", "uid", "gid", "size", "atime", "mtime", "rdev"):
            assert getattr(ours, f"st_{name}") == getattr(theirs, f"st_{name}"), name
        assert (ours.st_atime_ns, ours.st_mtime_ns) == (theirs.st_atime_ns, theirs.st_mtime_ns)
        assert ours[:2] == (theirs.st_mode, ours.st_ino)
        assert ours[7:9] == theirs[7:9]
        assert ours.st_dev == fs.volume.id
        assert ours.st_blksize > 0

    def test_follows_symlinks_if_asked(self, fs: sqlfs.FileSystem, path: str) -> None:
        assert fs.stat("/link") == fs.stat(path)
        assert stat.S_ISLNK(fs.lstat("/link").st_mode)
        assert fs.lstat("/link") == fs.stat("/link", follow_symlinks=False)
        assert fs.attributes("/link").node == fs.stat(path).st_ino
        assert fs.attributes("/link", follow_symlinks=False).is_symlink

    def test_is_by_node_too(self, fs: sqlfs.FileSystem, path: str) -> None:
        node = fs.stat(path).st_ino
        fs.mkdir("/dir")
        fs.rename(path, "/dir/moved")
        assert fs.stat_node(node) == fs.stat("/dir/moved")
        assert fs.path_of(node) == "/dir/moved"
        assert fs.path_of(fs.stat("/").st_ino) == "/"
        fs.remove("/dir/moved")
        for ask in (fs.stat_node, fs.path_of):
            with pytest.raises(NotFound):
                ask(node)

    def test_of_a_device_has_its_number(self, fs: sqlfs.FileSystem) -> None:
        fs.mknod("/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        assert fs.stat("/null").st_rdev == os.makedev(1, 3)


class TestWhatIsThere:
    def test_is_told_by_kind(self, fs: sqlfs.FileSystem, path: str) -> None:
        fs.mkdir("/dir")
        fs.symlink("gone", "/dangling")
        fs.symlink("loop", "/loop")
        kinds = {
            p: (fs.exists(p), fs.is_file(p), fs.is_dir(p), fs.is_symlink(p))
            for p in (
                path,
                "/link",
                "/dir",
                "/",
                "/dangling",
                "/loop",
                "/gone",
                "/file/x",
                "/file/",
            )
        }
        assert kinds == {
            "/file": (True, True, False, False),
            "/link": (True, True, False, True),
            "/dir": (True, False, True, False),
            "/": (True, False, True, False),
            "/dangling": (False, False, False, True),
            "/loop": (False, False, False, True),
            "/gone": (False, False, False, False),
            "/file/x": (False, False, False, False),
            "/file/": (False, False, False, False),
        }
        assert fs.exists("/dangling", follow_symlinks=False)
        assert not fs.exists("/" + "x" * 300)
        for wrong, error in (("/loop", SymlinkLoop), ("/file/x", NotADirectory)):
            with pytest.raises(error):
                fs.stat(wrong)

    def test_is_no_guess(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def lost(*_: object) -> None:
            raise ConnectionLost("gone")

        session = ModelSession()
        with sqlfs.FileSystem(session) as fs:
            monkeypatch.setattr(session, "resolve", lost)
            for ask in (fs.exists, fs.is_dir, fs.is_file, fs.is_symlink):
                with pytest.raises(ConnectionLost):
                    ask("/file")


class TestChanging:
    def test_modes(self, fs: sqlfs.FileSystem, path: str) -> None:
        fs.chmod("/link", 0o7751)
        assert stat.S_IMODE(fs.stat(path).st_mode) == 0o7751
        assert stat.S_ISREG(fs.stat(path).st_mode)

    def test_owners(self, fs: sqlfs.FileSystem, path: str) -> None:
        fs.chmod(path, 0o6755)
        fs.chown(path, 12, -1)
        before = fs.lstat("/link")
        fs.chown("/link", -1, 34)
        after = fs.stat(path)
        assert (after.st_uid, after.st_gid) == (12, 34)
        assert stat.S_IMODE(after.st_mode) == 0o755  # runs as nobody else any more
        assert (fs.lstat("/link").st_uid, fs.lstat("/link").st_gid) == (
            before.st_uid,
            before.st_gid,
        )
        fs.chown("/link", 56, 78, follow_symlinks=False)
        assert fs.lstat("/link").st_uid == 56
        assert fs.stat(path).st_uid == 12

    def test_times(self, fs: sqlfs.FileSystem, path: str, tmp_path: Path) -> None:
        real = tmp_path / "real"
        real.touch()
        for times in ((1.5, 2.25), (0, 0), (-1.5, 1e9), (1234567890.123456, 5)):
            os.utime(real, times)
            fs.utime("/link", times)
            assert fs.stat(path).st_mtime_ns == real.stat().st_mtime_ns
            assert fs.stat(path).st_atime_ns == real.stat().st_atime_ns
        before = clock.now_ns()
        fs.utime(path)
        assert before <= fs.stat(path).st_mtime_ns <= clock.now_ns()
        fs.utime("/link", ns=(1, 2), follow_symlinks=False)
        assert fs.lstat("/link").st_mtime_ns == 2
        assert fs.stat(path).st_mtime_ns >= before
        with pytest.raises(Invalid):
            fs.utime(path, (1, 2), ns=(1, 2))

    def test_sizes(self, fs: sqlfs.FileSystem, path: str) -> None:
        fs.truncate(path, 3)
        assert fs.read_bytes(path) == b"con"
        fs.truncate("/link", 5)
        assert fs.read_bytes(path) == b"con\0\0"
        with pytest.raises(Invalid):
            fs.truncate(path, -1)
        with pytest.raises(IsADirectoryError):
            fs.truncate("/", 0)

    def test_nothing_when_read_only(self) -> None:
        session = ModelSession()
        with sqlfs.FileSystem(session) as fs:
            fs.write_bytes("/file", b"content")
            with sqlfs.FileSystem(ModelSession(True, session._state)) as reader:
                assert reader.read_only
                assert reader.statvfs().f_flag & os.ST_RDONLY
                assert not fs.statvfs().f_flag & os.ST_RDONLY
                for action in (
                    lambda: reader.write_bytes("/file", b""),
                    lambda: reader.mkdir("/dir"),
                    lambda: reader.chmod("/file", 0),
                    lambda: reader.copy("/file", "/copy"),
                ):
                    with pytest.raises(ReadOnly):
                        action()
                assert reader.read_bytes("/file") == b"content"


class TestExtendedAttributes:
    def test_are_set_listed_and_removed(self, fs: sqlfs.FileSystem, path: str) -> None:
        fs.setxattr("/link", "user.one", b"1", os.XATTR_CREATE)
        fs.setxattr(path, b"user.two", b"\0\xff")
        assert sorted(fs.listxattr(path)) == ["user.one", "user.two"]
        assert sorted(fs.listxattr(b"/link")) == [b"user.one", b"user.two"]
        assert fs.listxattr("/link", follow_symlinks=False) == []
        assert fs.getxattr(path, "user.two") == b"\0\xff"
        with pytest.raises(AlreadyExists):
            fs.setxattr(path, "user.one", b"", os.XATTR_CREATE)
        with pytest.raises(NoAttribute):
            fs.setxattr(path, "user.three", b"", os.XATTR_REPLACE)
        fs.removexattr("/link", "user.one")
        for action in (fs.getxattr, fs.removexattr):
            with pytest.raises(NoAttribute, match="'/file'"):
                action(path, "user.one")


def test_room_is_told_as_os_does(fs: sqlfs.FileSystem) -> None:
    room = fs.statvfs()
    assert room.f_namemax == 255
    assert 0 < room.f_bavail <= room.f_bfree <= room.f_blocks
    assert room.f_frsize == room.f_bsize
    assert room.f_files >= room.f_ffree
