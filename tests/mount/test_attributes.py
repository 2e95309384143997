"""Attributes through the mount: modes, owners, times, xattrs, statfs, permissions."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from sqlfs.limits import MIB
from tests.mount.mounting import NOBODY, Mount, raises, tick

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as several users")


def as_nobody(script: str, place: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", script],
        cwd=place,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def open_to_all(reachable: Mount) -> Mount:
    """A mount that every user may reach and write to."""
    reachable.start()
    reachable.directory.chmod(0o777)
    return reachable


def test_mode_and_owner(mounted: Mount) -> None:
    path = mounted / "file"
    path.touch(0o600)
    before = path.stat().st_ctime_ns
    tick()
    path.chmod(0o4751)
    assert stat.S_IMODE(path.stat().st_mode) == 0o4751
    assert path.stat().st_ctime_ns > before


@as_root
def test_owners_survive_a_remount(mounted: Mount) -> None:
    path = mounted / "file"
    path.touch()
    os.chown(path, 1234, 2**32 - 2)
    os.chown(path, 4321, -1)
    mounted.remount()
    assert (path.stat().st_uid, path.stat().st_gid) == (4321, 2**32 - 2)


@pytest.mark.parametrize("time_ns", [0, 1, -1, -(10**18) + 7, 1_700_000_000_123_456_789, 2**62])
def test_times_to_the_nanosecond(mounted: Mount, time_ns: int) -> None:
    path = mounted / "file"
    path.touch()
    os.utime(path, ns=(time_ns, time_ns + 5))
    mounted.remount()
    status = path.stat()
    assert (status.st_atime_ns, status.st_mtime_ns) == (time_ns, time_ns + 5)


def test_writing_moves_mtime_and_ctime(mounted: Mount) -> None:
    path = mounted / "file"
    path.touch()
    os.utime(path, ns=(5, 5))
    before = path.stat()
    tick()
    path.write_text("x")
    after = path.stat()
    assert after.st_mtime_ns > before.st_mtime_ns
    assert after.st_ctime_ns > before.st_ctime_ns
    assert after.st_atime_ns == 5


@pytest.mark.parametrize(("option", "moves"), [("relatime", True), ("noatime", False)])
def test_reading_moves_atime_unless_told_not_to(mount: Mount, option: str, moves: bool) -> None:
    mount.start("-o", option)
    path = mount / "file"
    path.write_text("x")
    os.utime(path, ns=(5, 5))
    assert path.read_text() == "x"
    assert (path.stat().st_atime_ns != 5) is moves


def test_user_xattrs(mounted: Mount) -> None:
    path = mounted / "file"
    path.touch()
    os.setxattr(path, "user.a", b"1")
    os.setxattr(path, "user.b", bytes(60_000))
    os.setxattr(path, "user.empty", b"")
    with raises(errno.EEXIST):
        os.setxattr(path, "user.a", b"2", os.XATTR_CREATE)
    with raises(errno.ENODATA):
        os.setxattr(path, "user.c", b"2", os.XATTR_REPLACE)
    os.setxattr(path, "user.a", b"2", os.XATTR_REPLACE)
    mounted.remount()
    assert sorted(os.listxattr(path)) == ["user.a", "user.b", "user.empty"]
    assert os.getxattr(path, "user.a") == b"2"
    assert os.getxattr(path, "user.b") == bytes(60_000)
    assert os.getxattr(path, "user.empty") == b""
    os.removexattr(path, "user.a")
    with raises(errno.ENODATA):
        os.getxattr(path, "user.a")
    with raises(errno.ENODATA):
        os.removexattr(path, "user.a")


def test_xattrs_of_other_namespaces(mounted: Mount) -> None:
    path = mounted / "file"
    path.touch()
    for name in ("security.capability", "system.posix_acl_access"):
        with raises(errno.ENODATA):
            os.getxattr(path, name)
    with raises(errno.EOPNOTSUPP):
        os.getxattr(path, "system.other")
    for name in ("trusted.a", "security.a"):
        with raises(errno.ENODATA):
            os.getxattr(path, name)
        os.setxattr(path, name, b"x")
        assert os.getxattr(path, name) == b"x"
    assert sorted(os.listxattr(path)) == ["security.a", "trusted.a"]


def test_statfs_follows_what_is_stored(mounted: Mount) -> None:
    before = os.statvfs(mounted.directory)
    with (mounted / "file").open("wb") as stream:
        stream.write(os.urandom(8 * MIB))
        stream.flush()
        os.fsync(stream.fileno())
    (mounted / "another").touch()
    after = os.statvfs(mounted.directory)
    assert before.f_namemax == 255
    used = [status.f_files - status.f_ffree for status in (before, after)]
    assert used[1] == used[0] + 2
    grown = (after.f_blocks - after.f_bfree) - (before.f_blocks - before.f_bfree)
    assert grown * after.f_frsize >= 7 * MIB
    assert shutil.disk_usage(mounted.directory).free > 0


@as_root
def test_the_kernel_checks_permissions(open_to_all: Mount) -> None:
    secret = open_to_all / "secret"
    secret.write_text("x")
    secret.chmod(0o600)
    assert "Permission denied" in as_nobody("cat secret", open_to_all.directory).stderr
    made = as_nobody("umask 027; echo y > mine; mkdir dir", open_to_all.directory)
    assert made.returncode == 0, made.stderr
    status = (open_to_all / "mine").stat()
    assert (status.st_uid, status.st_gid) == (NOBODY, NOBODY)
    assert stat.S_IMODE(status.st_mode) == 0o640
    assert stat.S_IMODE((open_to_all / "dir").stat().st_mode) == 0o750


@as_root
@pytest.mark.parametrize("change", ["echo x >> file", "truncate -s 0 file", ": > file"])
def test_a_change_by_nobody_takes_setid_bits(open_to_all: Mount, change: str) -> None:
    path = open_to_all / "file"
    path.write_text("x")
    path.chmod(0o6777)
    path.write_text("y")
    assert stat.S_IMODE(path.stat().st_mode) == 0o6777  # root's own writes leave them
    done = as_nobody(change, open_to_all.directory)
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o777


@as_root
def test_a_change_of_owner_takes_setid_bits(mounted: Mount) -> None:
    path = mounted / "file"
    path.touch()
    path.chmod(0o6755)
    os.chown(path, NOBODY, NOBODY)
    assert stat.S_IMODE(path.stat().st_mode) == 0o755
