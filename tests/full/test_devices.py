"""A file system that goes away, or turns read-only, beneath a mount: nothing durable is lost."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.running import succeed
from tests.mount.mounting import Mount, raises, run, wait_until

MIB = 2**20
# <linux/ext4.h>: what was logged is written, then nothing is answered but EIO.
_SHUTDOWN = 0x8004587D
_LOGFLUSH = 1


class Device:
    """An ext4 of the test's own, on a loop device, that can be taken away and brought back."""

    def __init__(self, place: Path) -> None:
        self.image = place / "image"
        self.folder = place / "disk"
        self.folder.mkdir()
        with self.image.open("xb") as made:
            made.truncate(64 * MIB)
        run("mkfs.ext4", "-q", "-m", "0", self.image)

    def attach(self) -> None:
        run("mount", "-o", "loop", self.image, self.folder)

    def detach(self) -> None:
        run("umount", self.folder)

    def vanish(self) -> None:
        """As a device does whose cable was pulled: the kernel answers everything with EIO."""
        fd = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, _SHUTDOWN, struct.pack("I", _LOGFLUSH))
        finally:
            os.close(fd)

    def turn_read_only(self) -> None:
        """As the kernel does with a file system in which it found an error."""
        run("mount", "-o", "remount,abort", self.folder)


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    if subprocess.run(["losetup", "--find"], capture_output=True).returncode != 0:
        pytest.skip("no loop device is to be had")
    device = Device(tmp_path)
    device.attach()
    try:
        yield device
    finally:
        subprocess.run(["umount", "-l", device.folder], capture_output=True)


@pytest.fixture
def mount(fuse: None, device: Device, tmp_path: Path) -> Iterator[Mount]:  # noqa: ARG001
    folder = tmp_path / "mount"
    folder.mkdir()
    mount = Mount(folder)
    mount.file = device.folder / "volume.sqlite"
    mount.start()
    try:
        yield mount
    finally:
        mount.end()


def store(path: Path, content: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.write(fd, content)
        os.fsync(fd)
    finally:
        os.close(fd)


def told(mount: Mount) -> list[str]:
    return [line for line in mount.complaints() if "writing has ended" in line]


FAULTS: dict[str, Callable[[Device], None]] = {
    "vanishes": Device.vanish,
    "turns read-only": Device.turn_read_only,
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
@pytest.mark.parametrize("settled", [False, True], ids=["just written", "checkpointed"])
def test_what_was_durable_outlives_the_device(
    device: Device, mount: Mount, fault: Callable[[Device], None], settled: bool
) -> None:
    held = {f"file {number}": os.urandom(5000 * number) for number in range(1, 20)}
    for name, content in held.items():
        store(mount / name, content)
    if settled:
        log = mount.file.with_name(mount.file.name + "-wal")
        before = mount.file.stat().st_mtime_ns, log.stat().st_size
        wait_until(
            lambda: mount.file.stat().st_mtime_ns != before[0], "the log is copied into the file"
        )
    fault(device)
    with raises(errno.EIO):
        store(mount / "lost", b"never acknowledged")
    with raises(errno.EIO):
        store(mount / "lost too", b"nor this")
    wait_until(lambda: bool(mount.complaints()), "the log tells of it")
    if fault is Device.turn_read_only:
        assert (mount / "file 1").read_bytes() == held["file 1"]
    run("umount", mount.directory)
    mount.wait_ended()
    assert len(told(mount)) <= 1, "what is for good is told once"
    assert not [line for line in mount.complaints() if "Traceback" in line]
    device.detach()
    device.attach()
    again = Mount(mount.file.parents[1])
    again.file = mount.file
    try:
        again.start()
        assert {path.name: path.read_bytes() for path in again.directory.iterdir()} == held
        store(again / "new", b"goes on")
        again.unmount()
        assert again.complaints() == []
    finally:
        again.end()
    assert succeed("check", "--deep", mount.file).lines == ["no findings"]
