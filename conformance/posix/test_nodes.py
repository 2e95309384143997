"""Fifos, sockets and devices."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

import pytest

from conformance.posix.conftest import AsUser
from conformance.posix.expect import answer, fails
from conformance.posix.files import opened
from conformance.posix.kinds import MAKERS, NULL, TYPES, bind, every_kind, make
from conformance.posix.processes import ALICE, BOB, Child


@every_kind
def test_each_kind_is_what_it_is(place: Path, kind: str) -> None:
    status = os.lstat(make(place / "it", kind))
    assert stat.S_IFMT(status.st_mode) == TYPES[kind]
    [found] = os.scandir(place)
    assert found.inode() == status.st_ino
    assert found.is_dir(follow_symlinks=False) == ("directory" in kind)
    assert found.is_file(follow_symlinks=False) == (kind == "file")
    assert found.is_symlink() == (kind == "symlink")


@every_kind
def test_each_kind_can_be_removed_and_made_again(place: Path, kind: str) -> None:
    for _ in range(2):
        make(place / "it", kind)
        if kind == "full directory":
            (place / "it" / "inside").unlink()
        (os.rmdir if "directory" in kind else os.unlink)(place / "it")
        assert os.listdir(place) == []


@pytest.mark.parametrize("kind", ["fifo", "socket", "character device", "block device"])
@pytest.mark.needs("mknod")
def test_what_holds_nothing_has_no_size(place: Path, kind: str) -> None:
    status = os.lstat(make(place / "it", kind))
    assert (status.st_size, status.st_blocks) == (0, 0)


@pytest.mark.parametrize("kind", ["fifo", "socket", "character device"])
@pytest.mark.needs("mknod")
def test_what_has_no_content_is_not_truncated(place: Path, kind: str) -> None:
    with fails(errno.EINVAL):
        os.truncate(make(place / "it", kind), 0)


# --- fifos ---


def test_a_fifo_carries_bytes_between_processes(place: Path) -> None:
    fifo = make(place / "fifo", "fifo")
    child = Child(lambda: fifo.write_bytes(b"x" * 100_000))
    assert fifo.read_bytes() == b"x" * 100_000
    assert child.result() == 100_000


def test_a_fifo_without_a_reader(place: Path) -> None:
    fifo = make(place / "fifo", "fifo")
    with fails(errno.ENXIO):
        os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    with opened(fifo, os.O_RDONLY | os.O_NONBLOCK) as reading:
        assert os.read(reading, 1) == b""
        with opened(fifo, os.O_WRONLY | os.O_NONBLOCK) as writing:
            with fails(errno.EAGAIN):
                os.read(reading, 1)
            os.write(writing, b"x")
            assert os.read(reading, 2) == b"x"


def test_two_names_of_a_fifo_are_one_pipe(place: Path) -> None:
    fifo = make(place / "fifo", "fifo")
    os.link(fifo, place / "other")
    with (
        opened(fifo, os.O_RDONLY | os.O_NONBLOCK) as reading,
        opened(place / "other", os.O_WRONLY) as writing,
    ):
        fifo.unlink()
        os.write(writing, b"through")
        assert os.read(reading, 9) == b"through"


def test_a_fifo_cannot_be_positioned(place: Path) -> None:
    with opened(make(place / "fifo", "fifo"), os.O_RDWR) as descriptor:
        with fails(errno.ESPIPE):
            os.lseek(descriptor, 0, os.SEEK_SET)
        with fails(errno.EINVAL):
            os.fsync(descriptor)


# --- sockets ---


def test_a_socket_connects_processes(place: Path) -> None:
    with bind(place / "socket") as server:
        server.listen()

        def call() -> bytes:
            os.chdir(place)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect("socket")
                client.sendall(b"hello")
                return client.recv(9)

        child = Child(call)
        connection, _ = server.accept()
        with connection:
            assert connection.recv(9) == b"hello"
            connection.sendall(b"welcome")
            assert child.result() == b"welcome"


def test_a_socket_can_be_renamed_and_linked(place: Path) -> None:
    with bind(place / "socket", socket.SOCK_DGRAM) as server:
        os.rename(place / "socket", place / "renamed")
        os.link(place / "renamed", place / "linked")
        os.chdir(place)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.sendto(b"1", "renamed")
            client.sendto(b"2", "linked")
            with fails(errno.ENOENT):
                client.sendto(b"3", "socket")
        assert server.recv(9) + server.recv(9) == b"12"


def test_connecting_to_a_socket_that_nobody_listens_at(place: Path) -> None:
    make(place / "socket", "socket")
    make(place / "file", "file")
    os.chdir(place)
    with socket.socket(socket.AF_UNIX) as client:
        for path in ("socket", "file"):
            with fails(errno.ECONNREFUSED):
                client.connect(path)


def test_connecting_takes_write_permission(place: Path, as_user: AsUser) -> None:
    with bind(place / "socket") as server:
        server.listen()
        os.chmod(place / "socket", 0o755)

        def connect() -> None:
            os.chdir(place)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect("socket")

        with fails(errno.EACCES):
            as_user(ALICE, connect)
        os.chmod(place / "socket", 0o722)
        as_user(ALICE, connect)


@pytest.mark.parametrize("kind", ["file", "socket", "directory", "symlink"])
def test_binding_to_a_name_in_use(place: Path, kind: str) -> None:
    make(place / "it", kind)
    with fails(errno.EADDRINUSE):
        bind(place / "it")


def test_a_socket_is_not_opened(place: Path) -> None:
    with fails(errno.ENXIO):
        os.open(make(place / "socket", "socket"), os.O_RDONLY)


# --- devices ---

NUMBERS = [(0, 0), (1, 3), (8, 255), (8, 256), (255, 255), (256, 1), (4095, 1048575)]


@pytest.mark.needs("mknod")
@pytest.mark.parametrize("type_", [stat.S_IFCHR, stat.S_IFBLK], ids=["character", "block"])
@pytest.mark.parametrize(("major", "minor"), NUMBERS)
def test_device_numbers(place: Path, type_: int, major: int, minor: int) -> None:
    os.mknod(place / "it", type_ | 0o640, os.makedev(major, minor))
    status = os.lstat(place / "it")
    assert status.st_mode == type_ | 0o640
    assert (os.major(status.st_rdev), os.minor(status.st_rdev)) == (major, minor)


@pytest.mark.parametrize("kind", ["file", "directory", "fifo"])
def test_other_kinds_have_no_device_number(place: Path, kind: str) -> None:
    assert os.lstat(make(place / "it", kind)).st_rdev == 0


@pytest.mark.needs("mknod", "devices")
def test_a_device_works(place: Path) -> None:
    os.mknod(place / "null", stat.S_IFCHR | 0o666, NULL)
    os.mknod(place / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    (place / "null").write_bytes(b"gone")
    assert (place / "null").read_bytes() == b""
    with opened(place / "zero", os.O_RDONLY) as descriptor:
        assert os.read(descriptor, 4) == b"\0\0\0\0"


@pytest.mark.needs("mknod", "devices")
def test_a_device_that_does_not_exist(place: Path) -> None:
    os.mknod(place / "none", stat.S_IFCHR | 0o666, os.makedev(4000, 77))
    with fails(errno.ENXIO):
        os.open(place / "none", os.O_RDONLY)


@pytest.mark.parametrize(
    ("kind", "result"),
    [
        ("character device", "EPERM"),
        ("block device", "EPERM"),
        ("fifo", "ok"),
        ("socket", "ok"),
        ("file", "ok"),
    ],
)
def test_devices_are_made_by_root(place: Path, as_user: AsUser, kind: str, result: str) -> None:
    place.chmod(0o777)
    assert as_user(ALICE, lambda: answer(lambda: MAKERS[kind](place / "it"))) == result


def test_anybody_makes_a_whiteout(place: Path, as_user: AsUser) -> None:
    place.chmod(0o777)
    as_user(ALICE, lambda: os.mknod(place / "it", stat.S_IFCHR, 0))
    assert os.lstat(place / "it").st_rdev == 0


def test_no_directory_is_made_by_mknod(place: Path) -> None:
    with fails(errno.EPERM):
        os.mknod(place / "it", stat.S_IFDIR | 0o755)
    with fails(errno.EINVAL):
        os.mknod(place / "it", stat.S_IFLNK | 0o755)
    assert os.listdir(place) == []


def test_opening_a_fifo_takes_its_permissions(place: Path, as_user: AsUser) -> None:
    fifo = make(place / "fifo", "fifo")
    os.chown(fifo, BOB.uid, BOB.gid)
    os.chmod(fifo, 0o640)
    with fails(errno.EACCES):
        as_user(ALICE, lambda: os.open(fifo, os.O_RDONLY | os.O_NONBLOCK))
