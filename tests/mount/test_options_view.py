"""`-o uid=,gid=,umask=`: what a mount shows in place of what is stored, and keeps to itself."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
import struct
import subprocess
from pathlib import Path

import pytest

from tests.mount.mounting import NOBODY, Mount, raises, run, sqlfs_mount

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

ACCESS_ACL = "system.posix_acl_access"
DEFAULT_ACL = "system.posix_acl_default"
# user::rw-, user:4711:rw-, group::r--, mask::rw-, other::---
ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", *entry)
    for entry in ((1, 6, 2**32 - 1), (2, 6, 4711), (4, 4, 2**32 - 1), (16, 6, 2**32 - 1),
                  (32, 0, 2**32 - 1))
)  # fmt: skip


def owner(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_uid, status.st_gid


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture
def filled(mounted: Mount) -> Mount:
    """Nodes of every kind, their stored owners and modes as they are without options."""
    (mounted / "file").write_bytes(b"content")
    (mounted / "file").chmod(0o6640)
    (mounted / "directory").mkdir(0o700)
    (mounted / "directory").chmod(0o1700)
    (mounted / "link").symlink_to("file")
    os.mkfifo(mounted / "fifo", 0o600)
    return mounted


def test_owner_and_group_of_everything(filled: Mount) -> None:
    filled.remount("-o", "uid=1234,gid=4321")
    for path in (filled.directory, *filled.directory.iterdir()):
        assert owner(path) == (1234, 4321)
    assert mode(filled / "file") == 0o6640
    with os.scandir(filled.directory) as entries:
        assert {entry.stat(follow_symlinks=False).st_uid for entry in entries} == {1234}


@pytest.mark.parametrize(("option", "shown"), [("uid=1234", (1234, 0)), ("gid=4321", (0, 4321))])
def test_one_of_them_alone(mount: Mount, option: str, shown: tuple[int, int]) -> None:
    mount.start("-o", option)
    (mount / "file").touch()
    os.chown(mount / "file", *shown)
    mine = (os.geteuid(), os.getegid())
    expected = tuple(new or own for new, own in zip(shown, mine, strict=True))
    assert owner(mount / "file") == expected


def test_names_of_users_and_groups(mount: Mount) -> None:
    user, group = pwd.getpwuid(NOBODY), grp.getgrgid(os.getegid())
    mount.start("-o", f"uid={user.pw_name},gid={group.gr_name}")
    assert owner(mount.directory) == (user.pw_uid, group.gr_gid)


@pytest.mark.parametrize(("umask", "shown"), [("022", 0o755), ("0", 0o777), ("0777", 0)])
def test_permissions_of_everything(filled: Mount, umask: str, shown: int) -> None:
    filled.remount("-o", f"umask={umask}")
    for path in (filled.directory, *filled.directory.iterdir()):
        assert mode(path) == (0o777 if path.is_symlink() else shown)
    assert stat.S_ISFIFO((filled / "fifo").lstat().st_mode)


def test_what_is_stored_comes_back_without_the_options(filled: Mount) -> None:
    filled.remount("-o", "uid=1234,gid=4321,umask=077")
    assert mode(filled / "directory") == 0o700
    filled.remount()
    assert owner(filled / "file") == (os.geteuid(), os.getegid())
    assert mode(filled / "file") == 0o6640
    assert mode(filled / "directory") == 0o1700


def test_what_is_made_is_stored_as_the_shown_owner_s(mount: Mount) -> None:
    mount.start("-o", "uid=1234,gid=4321,umask=000")
    before = os.umask(0o027)
    try:
        (mount / "file").touch()
        (mount / "directory").mkdir()
    finally:
        os.umask(before)
    (mount / "link").symlink_to("file")
    os.mkfifo(mount / "fifo")
    assert mode(mount / "file") == 0o777
    mount.remount()
    for path in mount.directory.iterdir():
        assert owner(path) == (1234, 4321)
    assert mode(mount / "file") == 0o640
    assert mode(mount / "directory") == 0o750


def test_what_is_overridden_cannot_be_changed(filled: Mount) -> None:
    filled.remount("-o", "uid=1234,gid=4321,umask=022")
    path = filled / "file"
    for change in (
        lambda: os.chown(path, 0, -1),
        lambda: os.chown(path, -1, 0),
        lambda: path.chmod(0o600),
        lambda: path.chmod(0o4755),
    ):
        with raises(errno.EPERM):
            change()
    assert (owner(path), mode(path)) == ((1234, 4321), 0o755)


def test_setting_what_is_shown_succeeds(filled: Mount) -> None:
    filled.remount("-o", "uid=1234,gid=4321,umask=022")
    os.chown(filled / "file", 1234, 4321)
    (filled / "file").chmod(0o755)
    os.utime(filled / "file", ns=(1, 2))
    assert (filled / "file").stat().st_mtime_ns == 2
    filled.remount()
    assert owner(filled / "file") == (os.geteuid(), os.getegid())
    assert mode(filled / "file") & 0o777 == 0o640


def test_what_is_not_overridden_can_be_changed(filled: Mount) -> None:
    filled.remount("-o", "uid=1234")
    (filled / "file").chmod(0o600)
    assert mode(filled / "file") == 0o600
    if os.geteuid() == 0:
        os.chown(filled / "file", 1234, 77)
        assert owner(filled / "file") == (1234, 77)


@as_root
def test_the_shown_owner_is_who_the_kernel_asks_for(reachable: Mount) -> None:
    reachable.start()
    (reachable / "file").write_text("root's")
    (reachable / "file").chmod(0o600)
    as_nobody = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "sh", "-c")
    reachable.remount("-o", f"uid={NOBODY},umask=077")
    said = run(*as_nobody, f"cd {reachable.directory}; cat file; echo x > mine; chmod 700 mine")
    assert said.stdout == "root's"
    reachable.remount("-o", "uid=4711,umask=077")
    refused = subprocess.run(
        [*as_nobody, f"cat {reachable / 'file'}"], capture_output=True, text=True, check=False
    )
    assert "Permission denied" in refused.stderr


@as_root
def test_hidden_set_id_bits_go_with_a_change_of_content(reachable: Mount) -> None:
    reachable.start()
    (reachable / "program").touch()
    (reachable / "program").chmod(0o6755)
    reachable.remount("-o", f"uid={NOBODY},umask=022")
    as_nobody = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "sh", "-c")
    run(*as_nobody, f"echo evil >> {reachable / 'program'}")
    reachable.remount()
    assert mode(reachable / "program") == 0o755


def test_acls_are_not_shown_with_a_umask(mounted: Mount) -> None:
    path = mounted / "file"
    path.touch()
    os.setxattr(path, ACCESS_ACL, ACL)
    os.setxattr(path, "user.note", b"kept")
    os.setxattr(mounted.directory, DEFAULT_ACL, ACL)
    mounted.remount("-o", "umask=022")
    assert os.listxattr(path) == ["user.note"]
    assert os.listxattr(mounted.directory) == []
    for name, where in ((ACCESS_ACL, path), (DEFAULT_ACL, mounted.directory)):
        with raises(errno.ENODATA):
            os.getxattr(where, name)
        with raises(errno.EOPNOTSUPP):
            os.setxattr(where, name, ACL)
    assert path.read_bytes() == b""
    mounted.remount()
    assert os.getxattr(path, ACCESS_ACL) == ACL
    assert os.getxattr(mounted.directory, DEFAULT_ACL) == ACL


@pytest.mark.parametrize(
    ("option", "word"),
    [
        ("uid=", "'uid='"),
        ("uid=-1", "no user '-1'"),
        ("uid=4294967295", "4294967294 at most"),
        ("uid=no-such-user", "no user 'no-such-user'"),
        ("gid=no-such-group", "no group 'no-such-group'"),
        ("umask=8", "octal"),
        ("umask=1777", "octal"),
        ("umask=-1", "octal"),
    ],
)
def test_values_that_make_no_sense(mount: Mount, option: str, word: str) -> None:
    done = sqlfs_mount(mount.file, mount.directory, "-o", option)
    assert done.returncode == 2
    assert word in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not mount.file.exists()
