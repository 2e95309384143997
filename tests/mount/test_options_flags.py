"""Mount options one by one: what they promise, on a mount."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fuse_driver import options
from tests.mount.mounting import (
    ENVIRONMENT,
    Mount,
    is_running,
    raises,
    run,
    sqlfs_mount,
    wait_until,
)
from tests.mount.test_life import kernel_options

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="fusermount3 has rules of its own")


@as_root
def test_devices_and_set_id_programs_where_they_are_asked_for(mount: Mount) -> None:
    mount.start("-o", "dev,suid")
    assert not {"nodev", "nosuid"} & kernel_options(mount)
    os.mknod(mount / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    (mount / "null").write_bytes(b"gone")
    mount.remount()
    assert {"nodev", "nosuid"} <= kernel_options(mount)
    with raises(errno.EACCES):
        (mount / "null").write_bytes(b"refused")


@as_root
def test_symlinks_that_are_not_followed(mount: Mount) -> None:
    mount.start("-o", "nosymfollow")
    (mount / "file").touch()
    (mount / "link").symlink_to("file")
    with raises(errno.ELOOP):
        (mount / "link").read_bytes()
    assert (mount / "link").readlink() == Path("file")


def test_names_that_are_synchronous_lose_nothing_to_a_kill(mount: Mount) -> None:
    mount.start("-o", "dirsync")
    assert "dirsync" in kernel_options(mount)
    (mount / "directory").mkdir()
    (mount / "directory" / "file").touch()
    (mount / "directory" / "file").rename(mount / "renamed")
    mount.signal(signal.SIGKILL)
    mount.start()
    assert (mount / "renamed").exists()
    assert list((mount / "directory").iterdir()) == []


def test_a_dead_mount_is_taken_off(mount: Mount) -> None:
    mount.start("-o", "auto_unmount")
    (mount / "file").write_text("x")
    pid = mount.pid
    mount.signal(signal.SIGKILL)
    wait_until(lambda: not mount.is_mounted, "the mount is taken off")
    assert list(mount.directory.iterdir()) == []
    wait_until(lambda: not watchers(mount.directory), "nobody watches any more")
    mount.start("-o", "auto_unmount")
    assert mount.pid != pid
    mount.unmount()
    wait_until(lambda: not watchers(mount.directory), "nobody watches any more")


def watchers(directory: Path) -> list[str]:
    """The processes whose command line has `directory`."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = place.read_bytes().split(b"\0")
        except OSError:
            continue
        if os.fsencode(directory) in words:
            found.append(place.parent.name)
    return found


def test_a_mount_that_is_there_is_not_taken_off_by_a_watcher(mount: Mount) -> None:
    mount.start("-o", "auto_unmount")
    mount.signal(signal.SIGKILL)
    mount.start()
    (mount / "file").write_text("x")
    wait_until(lambda: len(watchers(mount.directory)) == 1, "only the daemon is left")
    assert (mount / "file").read_text() == "x"


def test_every_option_that_changes_nothing_is_accepted(mount: Mount) -> None:
    words = sorted(options.IGNORED | options.FUSE_IGNORED)
    values = [f"{name}=0" for name in sorted(options.FUSE_IGNORED_VALUES)]
    values += [f"{prefix.rstrip('=-')}{prefix[-1]}any" for prefix in options.IGNORED_PREFIXES]
    mount.start("-o", ",".join([*words, *values]))
    assert {"rw", "nosuid", "nodev", "default_permissions"} <= kernel_options(mount)


@pytest.mark.parametrize("option", sorted(options.REFUSED))
def test_what_is_not_supported_is_refused_by_name(mount: Mount, option: str) -> None:
    done = sqlfs_mount(mount.file, mount.directory, "-o", f"{option}=1")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"'{option}=1' is not supported: {options.REFUSED[option]}" in line
    assert not mount.file.exists()


def test_a_mount_right_after_an_unmount_waits(mounted: Mount) -> None:
    for number in range(3):
        with (mounted / "file").open("wb") as stream:
            stream.write(os.urandom(3_000_000))
        (mounted / f"file-{number}").touch()
        run("umount", mounted.directory)
        mounted.start()
    assert len(list(mounted.directory.iterdir())) == 4


def test_two_mounts_at_once(mount: Mount, tmp_path: Path) -> None:
    place = tmp_path / "second"
    place.mkdir()
    with Mount(place) as other:
        mount.start("-o", "fsname=one")
        other.start("-o", "fsname=two")
        (mount / "file").write_text("one")
        (other / "file").write_text("two")
        mount.unmount()
        assert (other / "file").read_text() == "two"
        mount.start()
        assert (mount / "file").read_text() == "one"


def test_a_signal_after_the_unmount_does_not_cut_the_end_short(mounted: Mount) -> None:
    """Service managers send one to what is left of a mount when it has been taken off."""
    with (mounted / "file").open("wb") as stream:
        stream.write(os.urandom(8_000_000))
    run("umount", mounted.directory)
    while is_running(mounted.pid):
        with contextlib.suppress(ProcessLookupError):
            mounted.signal(signal.SIGTERM)
    assert [path.name for path in mounted.file.parent.glob("volume.*")] == ["volume.sqlite"]
    assert mounted.log.read_text().rstrip().endswith(f"closed {mounted.file}")


@pytest.mark.parametrize(
    "form",
    [("umount",), ("fusermount3", "-u"), (sys.executable, "-m", "sqlfs.cli", "umount")],
    ids=["umount", "fusermount3", "sqlfs"],
)
def test_unmounting_with_every_option(mounted: Mount, form: tuple[str, ...]) -> None:
    (mounted / "top").mkdir()
    mounted.remount("-o", "subdir=top,uid=1,umask=22,noatime,auto_unmount,fsname=some name")
    (mounted / "file").write_text("x")
    subprocess.run([*form, mounted.directory], env=ENVIRONMENT, check=True)
    mounted.wait_ended()
    assert not mounted.is_mounted
    assert [path.name for path in mounted.file.parent.glob("volume.*")] == ["volume.sqlite"]
