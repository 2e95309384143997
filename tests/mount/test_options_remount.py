"""`-o remount`: other flags for a mount that is there, and nothing lost by it."""

from __future__ import annotations

import errno
import mmap
import os
import signal
import subprocess
from pathlib import Path

import pytest

from sqlfs.cli.exits import Exit
from tests.mount.mounting import AS_NOBODY, Mount, raises, sqlfs_mount
from tests.mount.test_life import kernel_options
from tests.mount.test_refusals import refused

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may remount")


def remounted(mount: Mount, *options: str) -> subprocess.CompletedProcess[str]:
    return sqlfs_mount(mount.file, mount.directory, "-o", ",".join(("remount", *options)))


def remount(mount: Mount, *options: str) -> None:
    done = remounted(mount, *options)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_read_only_and_back(mounted: Mount) -> None:
    (mounted / "file").write_text("before")
    remount(mounted, "ro")
    assert "ro" in kernel_options(mounted)
    assert (mounted / "file").read_text() == "before"
    for change in (
        lambda: (mounted / "file").write_text("during"),
        lambda: (mounted / "other").touch(),
        lambda: (mounted / "file").unlink(),
        lambda: os.setxattr(mounted / "file", "user.note", b""),
    ):
        with raises(errno.EROFS):
            change()
    remount(mounted, "rw")
    (mounted / "file").write_text("after")
    mounted.remount()
    assert (mounted / "file").read_text() == "after"


def test_what_was_written_before_is_kept(mounted: Mount) -> None:
    (mounted / "mapped").write_bytes(bytes(mmap.PAGESIZE))
    with (mounted / "mapped").open("r+b") as stream, mmap.mmap(stream.fileno(), 0) as pages:
        pages[0:4] = b"kept"
    (mounted / "written").write_bytes(b"w" * 300_000)
    remount(mounted, "ro")
    mounted.signal(signal.SIGKILL)
    mounted.wait_ended()
    mounted.start()
    assert (mounted / "mapped").read_bytes()[:4] == b"kept"
    assert (mounted / "written").read_bytes() == b"w" * 300_000


def test_not_while_a_file_is_open_for_writing(mounted: Mount) -> None:
    with (mounted / "file").open("w") as stream:
        refused(remounted(mounted, "ro"), Exit.FAILED, str(mounted.directory), "open for writing")
        stream.write("still here")
    assert (mounted / "file").read_text() == "still here"


def test_a_volume_that_was_opened_read_only_stays_so(mounted: Mount) -> None:
    mounted.remount("-o", "ro,fsname=anything")
    refused(remounted(mounted, "rw"), Exit.FAILED, str(mounted.directory), "opened read-only")
    assert "ro" in kernel_options(mounted)
    with raises(errno.EROFS):
        (mounted / "file").touch()


def test_other_flags_and_what_is_not_said_stays(mount: Mount) -> None:
    mount.start("-o", "noatime,sync,suid")
    remount(mount, "noexec", "nosymfollow")
    assert {"noatime", "sync", "nodev", "noexec", "nosymfollow", "rw"} <= kernel_options(mount)
    assert "nosuid" not in kernel_options(mount)
    (mount / "program").write_text("#!/bin/sh\n")
    (mount / "program").chmod(0o755)
    with raises(errno.EACCES):
        subprocess.run([mount / "program"], check=True)
    remount(mount, "exec", "nosuid")
    subprocess.run([mount / "program"], check=True)
    assert {"noatime", "sync", "nodev", "nosuid", "nosymfollow"} <= kernel_options(mount)


@pytest.mark.parametrize("option", ["sync", "dirsync", "noatime"])
def test_what_a_mount_has_from_its_beginning(mounted: Mount, option: str) -> None:
    before = kernel_options(mounted)
    refused(remounted(mounted, "ro", option), Exit.FAILED, f"'{option}'", "unmount it")
    assert kernel_options(mounted) == before


def test_what_is_no_flag_stays_as_it_is(mount: Mount) -> None:
    mount.start("-o", "uid=1234")
    remount(mount, "ro", "uid=4321", "umask=0", "fsname=other", "subdir=/nowhere", "user_id=0")
    status = mount.directory.stat()
    assert (status.st_uid, status.st_mode & 0o777) == (1234, 0o755)
    assert f"{mount.file} {mount.directory} " in Path("/proc/self/mounts").read_text()


def test_where_nothing_is_mounted(mount: Mount) -> None:
    refused(remounted(mount, "ro"), Exit.NOT_FOUND, str(mount.directory))
    assert not mount.file.exists()


def test_not_by_an_ordinary_user(reachable: Mount) -> None:
    reachable.start()
    done = sqlfs_mount(
        reachable.file, reachable.directory, "-o", "remount,ro", command=AS_NOBODY
    )  # fmt: skip
    refused(done, Exit.DENIED, str(reachable.directory), "only root")
    assert "rw" in kernel_options(reachable)
