"""A mount from its beginning to its end: options, signals, umount, kill -9, and again."""

from __future__ import annotations

import errno
import mmap
import os
import shlex
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from tests.fuse_mounts import mounts_below
from tests.mount.mounting import (
    AS_NOBODY,
    COMMAND,
    ENVIRONMENT,
    NOBODY,
    Mount,
    raises,
    run,
    wait_until,
)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="mount(8) needs root")


def kernel_options(mount: Mount) -> set[str]:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, directory, kind, options, *_ = line.split(" ")
        if directory == str(mount.directory):
            assert kind == "fuse.sqlfs"
            return set(options.split(","))
    raise AssertionError("not mounted")


def umount_forms() -> list[tuple[str, ...]]:
    return [("umount",), ("umount", "-l"), ("fusermount3", "-u"), ("fusermount3", "-u", "-z")]


@pytest.mark.parametrize("form", umount_forms(), ids=" ".join)
def test_ways_to_unmount(mounted: Mount, form: tuple[str, ...]) -> None:
    (mounted / "file").write_text("kept")
    run(*form, mounted.directory)
    mounted.wait_ended()
    assert not mounted.is_mounted
    assert [path.name for path in mounted.file.parent.glob("volume.*")] == ["volume.sqlite"]
    mounted.start()
    assert (mounted / "file").read_text() == "kept"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_flush_and_unmount(mounted: Mount, number: signal.Signals) -> None:
    (mounted / "file").write_text("kept")
    mounted.signal(number)
    mounted.wait_ended()
    assert not mounted.is_mounted
    mounted.start()
    assert (mounted / "file").read_text() == "kept"


def test_a_signal_ends_a_busy_mount_and_keeps_what_was_written(mounted: Mount) -> None:
    (mounted / "mapped").write_bytes(bytes(mmap.PAGESIZE))
    written = os.open(mounted / "written", os.O_CREAT | os.O_WRONLY)
    mapped = os.open(mounted / "mapped", os.O_RDWR)
    with mmap.mmap(mapped, 0) as pages:
        os.write(written, b"kept")
        pages[0:4] = b"also"
        mounted.signal(signal.SIGTERM)
        mounted.wait_ended()
    assert not mounted.is_mounted
    for descriptor in (written, mapped):
        with raises(errno.ENOTCONN):
            os.close(descriptor)
    mounted.start()
    assert (mounted / "written").read_bytes() == b"kept"
    assert (mounted / "mapped").read_bytes()[:4] == b"also"


def test_a_busy_mount_is_not_unmounted_by_umount(mounted: Mount) -> None:
    with (mounted / "file").open("w") as stream:
        refused = subprocess.run(
            ["umount", mounted.directory], capture_output=True, text=True, check=False
        )
        assert "busy" in refused.stderr
        stream.write("still here")
    assert (mounted / "file").read_text() == "still here"


def test_kill_and_mount_again_at_once(mounted: Mount) -> None:
    with (mounted / "synced").open("wb") as stream:
        stream.write(b"s" * 300_000)
        stream.flush()
        os.fsync(stream.fileno())
    (mounted / "directory").mkdir()
    directory = os.open(mounted.directory, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)
    synchronous = os.open(mounted / "directory" / "file", os.O_CREAT | os.O_WRONLY | os.O_SYNC)
    os.write(synchronous, b"now")
    mounted.signal(signal.SIGKILL)
    mounted.start()
    with raises(errno.ENOTCONN):
        os.close(synchronous)
    assert (mounted / "synced").read_bytes() == b"s" * 300_000
    assert (mounted / "directory" / "file").read_bytes() == b"now"
    assert len(mounts_below(mounted.directory)) == 1


@as_root
def test_dead_mounts_upon_each_other(mounted: Mount) -> None:
    mounted.signal(signal.SIGKILL)
    mounted.wait_ended()
    # sqlfs-mount would not, but root may mount upon a dead mount.
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0"
    run("mount", "-i", "-t", "fuse", "none", mounted.directory, "-o", options, pass_fds=[device])
    os.close(device)
    assert len(mounts_below(mounted.directory)) == 2
    mounted.start()
    assert len(mounts_below(mounted.directory)) == 1
    assert list(mounted.directory.iterdir()) == []


def test_a_synchronous_mount_loses_nothing_to_a_kill(mount: Mount) -> None:
    mount.start("-o", "sync")
    assert "sync" in kernel_options(mount)
    (mount / "directory").mkdir()
    (mount / "directory" / "file").write_text("x" * 10_000)
    (mount / "directory" / "file").rename(mount / "renamed")
    (mount / "renamed").chmod(0o400)
    mount.signal(signal.SIGKILL)
    mount.start()
    assert (mount / "renamed").read_text() == "x" * 10_000
    assert (mount / "renamed").stat().st_mode & 0o777 == 0o400


def test_read_only(mounted: Mount) -> None:
    (mounted / "file").write_text("x")
    mounted.remount("-o", "ro")
    assert "ro" in kernel_options(mounted)
    assert (mounted / "file").read_text() == "x"
    with raises(errno.EROFS):
        (mounted / "other").touch()


def test_options_reach_the_kernel(mount: Mount) -> None:
    mount.start("-o", "nodev,nosuid,noexec,noatime,fsname=My Name,,x-anything=1", "-o", "nofail")
    assert {"nodev", "nosuid", "noexec", "noatime", "default_permissions"} <= kernel_options(mount)
    assert "My\\040Name " in Path("/proc/self/mounts").read_text()


def test_a_mountpoint_with_something_in_it(mount: Mount) -> None:
    (mount / "below").touch()
    mount.start("-o", "nonempty")
    assert list(mount.directory.iterdir()) == []
    mount.unmount()
    assert (mount / "below").exists()


def test_the_command_returns_when_the_mount_answers_and_says_what_it_made(mount: Mount) -> None:
    said = mount.start()
    assert f"created {mount.file}" in said
    assert "created plain volume 'main'" in said
    assert mount.is_mounted
    mount.unmount()
    assert mount.start() == ""


def test_several_volumes(mount: Mount) -> None:
    mount.start("--volume", "one")
    (mount / "in-one").touch()
    mount.unmount()
    mount.start("-o", "volume=two")
    assert list(mount.directory.iterdir()) == []
    mount.unmount()
    both = f"{mount.file}:one"
    run(*COMMAND, both, mount.directory, "--log", mount.log, env=ENVIRONMENT)
    assert [path.name for path in mount.directory.iterdir()] == ["in-one"]


def test_a_path_with_a_colon_is_a_path_if_it_exists(mount: Mount) -> None:
    mount.start()
    (mount / "file").touch()
    mount.unmount()
    mount.file = mount.file.rename(mount.file.with_name("a:b"))
    mount.start()
    assert (mount / "file").exists()


def test_a_name_that_options_would_trip_over(mount: Mount) -> None:
    place = mount.file.parent / "a, b\\ü"
    place.mkdir()
    mount.file = place / "v.sqlite"
    mount.start()
    mount.remount()
    source = run("findmnt", "-n", "-o", "SOURCE", mount.directory).stdout.strip()
    assert source == str(mount.file)


def test_foreground(mount: Mount) -> None:
    process = subprocess.Popen(
        [*COMMAND, mount.file, mount.directory, "-f"],
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until(lambda: mount.is_mounted, "it is mounted")
        (mount / "file").write_text("x")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0
        assert "unmounted" in said
        assert not mount.is_mounted
    finally:
        process.kill()
        process.wait()


@as_root
@pytest.mark.parametrize("form", ["mount -t fuse.sqlfs-mount ", "mount.fuse3 sqlfs-mount#"])
def test_mounting_by_mount(mount: Mount, tmp_path: Path, form: str) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "sqlfs-mount").write_text(
        f'#!/bin/sh\nPYTHONPATH={ENVIRONMENT["PYTHONPATH"]} exec {" ".join(COMMAND)} "$@"\n'
    )
    (programs / "sqlfs-mount").chmod(0o755)
    # mount(8) looks for programs where the system has them.
    script = f"""
        set -e
        mount --bind {programs} /usr/local/sbin
        {form}{mount.file} {mount.directory} -o noatime,log={mount.log}
        grep {mount.directory} /proc/self/mounts
        echo x > {mount / "file"}
        umount {mount.directory}
    """
    shown = run("unshare", "-m", "sh", "-c", script).stdout
    assert " fuse.sqlfs rw," in shown
    assert "noatime" in shown
    mount.wait_ended()
    mount.start()
    assert (mount / "file").read_text() == "x\n"


@as_root
def test_an_ordinary_user_mounts_and_unmounts(reachable: Mount) -> None:
    mount, place = reachable, reachable.file.parent
    for owned in (mount.directory, place):
        os.chown(owned, NOBODY, NOBODY)
    # Not every machine lets its users have the device: here they do.
    device = place / "fuse"
    os.mknod(device, stat.S_IFCHR | 0o600, Path("/dev/fuse").stat().st_rdev)
    device.chmod(0o666)
    start = shlex.join([*AS_NOBODY, str(mount.file), str(mount.directory), "--log", str(mount.log)])
    nobody = f"setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups"
    script = f"""
        set -e
        mount --bind {device} /dev/fuse
        {start}
        grep {mount.directory} /proc/self/mounts
        ls {mount.directory} 2>&1 || echo "even root is not let in"
        {nobody} sh -c 'echo mine > {mount.directory}/file'
        {nobody} fusermount3 -u {mount.directory}
        {start}
        {nobody} cat {mount.directory}/file
        {nobody} fusermount3 -u {mount.directory}
    """
    shown = run("unshare", "-m", "sh", "-c", script).stdout
    assert f"user_id={NOBODY}" in shown
    assert "even root is not let in" in shown
    assert shown.endswith("mine\n")
    mount.wait_ended()
    assert mount.file.stat().st_uid == NOBODY


def test_nothing_of_the_start_is_left_open(mounted: Mount) -> None:
    """Neither terminal nor pipe: whoever waits for the command's output gets its end."""
    kept = {os.readlink(f"/proc/{mounted.pid}/fd/{n}") for n in (0, 1, 2)}  # noqa: PTH115
    assert kept == {"/dev/null"}
    assert os.readlink(f"/proc/{mounted.pid}/cwd") == "/"  # noqa: PTH115
