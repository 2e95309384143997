"""What sqlfs-mount refuses: one clear line, the right exit code, and nothing left behind."""

from __future__ import annotations

import os
import shlex
import sqlite3
import subprocess
from collections.abc import Callable

import pytest

from sqlfs.cli.exits import Exit
from tests.mount.mounting import (
    AS_NOBODY,
    COMMAND,
    ENVIRONMENT,
    NOBODY,
    Mount,
    sqlfs_mount,
)

Prepare = Callable[[Mount], None]


def refused(done: subprocess.CompletedProcess[str], code: Exit, *words: str) -> None:
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("sqlfs-mount: ")
    for word in words:
        assert word in line


def prepare_nothing(mount: Mount) -> None:
    del mount


def text_file(mount: Mount) -> None:
    mount.file.write_text("no database " * 1000)


def empty_file(mount: Mount) -> None:
    mount.file.touch()


def foreign_database(mount: Mount) -> None:
    database = sqlite3.connect(mount.file)
    database.execute("create table t (x)")
    database.close()


def directory(mount: Mount) -> None:
    mount.file.mkdir()


def no_mountpoint(mount: Mount) -> None:
    mount.directory.rmdir()


def file_as_mountpoint(mount: Mount) -> None:
    mount.directory.rmdir()
    mount.directory.touch()


def full_mountpoint(mount: Mount) -> None:
    (mount / "something").touch()


def own_mountpoint(mount: Mount) -> None:
    mount.file = mount.directory / "inside.sqlite"


@pytest.mark.parametrize(
    ("prepare", "code", "word"),
    [
        (text_file, Exit.UNSUPPORTED, "volume.sqlite"),
        (empty_file, Exit.UNSUPPORTED, "volume.sqlite"),
        (foreign_database, Exit.UNSUPPORTED, "volume.sqlite"),
        (directory, Exit.UNSUPPORTED, "volume.sqlite"),
        (no_mountpoint, Exit.NOT_FOUND, "does not exist"),
        (file_as_mountpoint, Exit.FAILED, "not a directory"),
        (full_mountpoint, Exit.FAILED, "not empty"),
        (own_mountpoint, Exit.USAGE, "lies in the mountpoint"),
    ],
)
def test_unfit_files_and_mountpoints(mount: Mount, prepare: Prepare, code: Exit, word: str) -> None:
    prepare(mount)
    before = sorted(mount.file.parent.iterdir())
    refused(sqlfs_mount(mount.file, mount.directory), code, word)
    assert not mount.is_mounted
    assert sorted(mount.file.parent.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["-o", "no-such-option"], "'no-such-option'"),
        (["-o", "no-such-option=1"], "'no-such-option=1'"),
        (["-o", "strictatime"], "relatime"),
        (["-o", "rw,mand"], "'mand'"),
        (["-o", "context=system_u:object_r:removable_t:s0"], "SELinux"),
        (["-o", "blkdev"], "not a block device"),
        (["-o", "user_id=0"], "'user_id=0'"),
        (["-o", "nodiratime"], "noatime"),
        (["-o", "fsname="], "'fsname='"),
        (["--no-such-option"], "--no-such-option"),
        (["--passphrase-file", "/nowhere/secret"], "/nowhere/secret"),
        (["--passphrase-env", "NO_SUCH_VARIABLE"], "NO_SUCH_VARIABLE"),
        (["--passphrase-fd", "77"], "77"),
        (["--passphrase-env", "A", "--passphrase-fd", "0"], "not allowed"),
        (["--passphrase-file", os.devnull], "empty"),
    ],
)
def test_usage(mount: Mount, arguments: list[str], word: str) -> None:
    refused(sqlfs_mount(mount.file, mount.directory, *arguments), Exit.USAGE, word)
    assert not mount.file.exists()


def test_without_arguments(fuse: None) -> None:  # noqa: ARG001
    refused(sqlfs_mount(), Exit.USAGE, "FILE[:VOLUME]", "DIR")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_asking_is_no_mistake(option: str) -> None:
    done = sqlfs_mount(option)
    assert (done.returncode, done.stderr) == (0, "")
    assert "sqlfs-mount" in done.stdout


def test_a_missing_file_is_not_made_for_reading_only(mount: Mount) -> None:
    refused(sqlfs_mount(mount.file, mount.directory, "-o", "ro"), Exit.NOT_FOUND)
    assert not mount.file.exists()


def test_an_unknown_volume_is_not_made_for_reading_only(mounted: Mount) -> None:
    mounted.unmount()
    done = sqlfs_mount(f"{mounted.file}:other", mounted.directory, "-o", "ro")
    refused(done, Exit.NOT_FOUND, "'other'", "'main'")


def test_several_volumes_and_none_named(mounted: Mount) -> None:
    mounted.remount("--volume", "second")
    mounted.unmount()
    refused(sqlfs_mount(mounted.file, mounted.directory), Exit.USAGE, "'main'", "'second'")


def test_a_passphrase_for_a_plain_volume(mounted: Mount) -> None:
    mounted.unmount()
    done = sqlfs_mount(
        mounted.file, mounted.directory, "--passphrase-env", "P", environment={"P": "secret"}
    )
    refused(done, Exit.USAGE, "not encrypted")
    done = sqlfs_mount(mounted.file, mounted.directory, "--encrypt")
    refused(done, Exit.USAGE, "not encrypted")


def test_a_hard_linked_file(mounted: Mount) -> None:
    mounted.unmount()
    (mounted.file.parent / "second-name").hardlink_to(mounted.file)
    refused(sqlfs_mount(mounted.file, mounted.directory), Exit.FAILED, "link")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hide a device")
def test_no_fuse_device(mount: Mount) -> None:
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /dev && exec "$@"', "sh",
         *COMMAND, mount.file, mount.directory],
        env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    refused(done, Exit.FAILED, "/dev/fuse")
    assert not mount.file.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_no_permission(reachable: Mount) -> None:
    mount = reachable
    refused(sqlfs_mount(mount.file, mount.directory, command=AS_NOBODY), Exit.DENIED)
    mount.directory.chmod(0o700)
    done = sqlfs_mount(mount.file, mount.directory, command=AS_NOBODY)
    refused(done, Exit.DENIED, "mountpoint")


def as_nobody_with_device(mount: Mount, permissions: str, *options: str) -> str:
    """A script for a namespace of its own, in which /dev/fuse has `permissions`."""
    mount.directory.parent.chmod(0o755)
    for owned in (mount.directory, mount.directory.parent):
        os.chown(owned, NOBODY, NOBODY)
    device = mount.directory.parent / "fuse"
    start = shlex.join([*AS_NOBODY, str(mount.file), str(mount.directory), *options])
    return f"""
        mknod --mode={permissions} {device} c 10 229
        mount --bind {device} /dev/fuse
        trap 'while umount -l {mount.directory} 2> /dev/null; do :; done' EXIT
        {start}
    """


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize(
    ("configuration", "permissions", "options", "words"),
    [
        ("", "666", ("-o", "allow_other"), ("user_allow_other", "/etc/fuse.conf", "root")),
        ("user_allow_other", "600", (), ("/dev/fuse", "Permission denied")),
    ],
    ids=["other users", "device"],
)
def test_what_an_ordinary_user_may_not(
    reachable: Mount,
    configuration: str,
    permissions: str,
    options: tuple[str, ...],
    words: tuple[str, ...],
) -> None:
    settings = reachable.file.parent / "fuse.conf"
    settings.write_text(configuration + "\n")
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c",
         f"mount --bind {settings} /etc/fuse.conf\n"
         + as_nobody_with_device(reachable, permissions, *options)],
        env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == Exit.DENIED
    *made, line = done.stderr.splitlines()
    assert all(": created " in each for each in made)
    assert line.startswith(f"sqlfs-mount: cannot mount on {reachable.directory}")
    for word in words:
        assert word in line
