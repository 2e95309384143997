"""What a file system says of itself: statvfs(3) and pathconf(3), and names of any bytes."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from conformance.posix.expect import fails
from conformance.posix.files import opened, pattern


def test_statvfs_is_plausible(place: Path) -> None:
    status = os.statvfs(place)
    assert status.f_bsize > 0
    assert status.f_frsize > 0
    assert status.f_blocks > 0
    assert 0 < status.f_bavail <= status.f_bfree <= status.f_blocks
    assert 0 < status.f_ffree <= status.f_files
    assert 0 < status.f_favail <= status.f_files
    assert status.f_namemax == 255
    assert not status.f_flag & os.ST_RDONLY


def test_fstatvfs_says_the_same(place: Path) -> None:
    (place / "file").write_bytes(b"")
    with opened(place / "file", os.O_RDONLY) as descriptor:
        by_path, by_descriptor = os.statvfs(place), os.statvfs(descriptor)
    for field in ("f_bsize", "f_frsize", "f_flag", "f_namemax", "f_fsid"):
        assert getattr(by_path, field) == getattr(by_descriptor, field)


def test_statvfs_of_an_unlinked_file(place: Path) -> None:
    (place / "file").write_bytes(b"")
    with opened(place / "file", os.O_RDONLY) as descriptor:
        (place / "file").unlink()
        assert os.statvfs(descriptor).f_namemax == 255


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PC_NAME_MAX", 255),
        ("PC_PATH_MAX", 4096),
        ("PC_PIPE_BUF", 4096),
        ("PC_NO_TRUNC", 1),
        ("PC_CHOWN_RESTRICTED", 1),
        ("PC_2_SYMLINKS", 1),
    ],
)
def test_pathconf(place: Path, name: str, value: int) -> None:
    (place / "file").write_bytes(b"")
    number = {"PC_2_SYMLINKS": 20}.get(name, name)
    assert os.pathconf(place, number) == value
    with opened(place / "file", os.O_RDONLY) as descriptor:
        assert os.fpathconf(descriptor, number) == value


def test_a_directory_and_its_files_are_on_one_device(place: Path) -> None:
    (place / "file").write_bytes(b"")
    (place / "folder").mkdir()
    devices = {os.lstat(it).st_dev for it in (place, place / "file", place / "folder")}
    assert len(devices) == 1


def test_inode_numbers_are_unique_and_stay(place: Path) -> None:
    for number in range(300):
        (place / str(number)).write_bytes(b"")
    first = {it: os.lstat(place / it).st_ino for it in os.listdir(place)}
    assert len(set(first.values())) == 300
    assert {it.name: it.inode() for it in os.scandir(place)} == first
    for number in range(0, 300, 3):
        (place / str(number)).write_bytes(pattern(100))
        (place / str(number)).rename(place / f"moved{number}")
    assert all(
        os.lstat(place / it).st_ino == first[it.removeprefix("moved")] for it in os.listdir(place)
    )


# --- names ---

NAMES = {
    "blank": b" ",
    "blanks around": b" a ",
    "newline": b"a\nb",
    "tab and bell": b"\t\a",
    "dash": b"-rf",
    "three dots": b"...",
    "dot and blank": b". ",
    "trailing dot": b"a.",
    "backslash": b"a\\b",
    "colon": b"C:",
    "star": b"*?[a]",
    "quotes": b"'\"`$(x)",
    "percent": b"%s%n",
    "reserved elsewhere": b"aux.con",
    "latin 1": b"gr\xfc\xdfe",
    "no UTF-8 at all": b"\xff\xfe\xc0\x80",
    "a surrogate": b"\xed\xa0\x80",
    "UTF-8": "grüße-文件-🗂".encode(),
    "right to left": "\u202eabc".encode(),
    "255 bytes": b"x" * 255,
    "255 bytes of UTF-8": "é".encode() * 127 + b"x",
    "the longest of high bytes": b"\xff" * 255,
    "hidden": b".hidden",
    "escape": b"\x1b[31m",
    "delete": b"\x7f",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_a_name_is_kept_byte_for_byte(place: Path, name: bytes) -> None:
    folder = os.fsencode(place)
    path = folder + b"/" + name
    with opened(path, os.O_CREAT | os.O_WRONLY) as descriptor:
        os.write(descriptor, name)
    assert os.listdir(folder) == [name]
    os.rename(path, folder + b"/x")
    os.mkdir(path)
    os.rename(folder + b"/x", path + b"/" + name)
    with opened(path + b"/" + name, os.O_RDONLY) as descriptor:
        assert os.read(descriptor, 300) == name
    os.unlink(path + b"/" + name)
    os.rmdir(path)
    assert os.listdir(folder) == []


def test_every_byte_but_two_makes_a_name(place: Path) -> None:
    folder = os.fsencode(place)
    names = {bytes([byte]) for byte in range(1, 256)} - {b"/", b"."}
    for name in names:
        os.mkdir(folder + b"/" + name)
    assert set(os.listdir(folder)) == names


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"a", b"A"),
        ("é".encode(), "e\u0301".encode()),
        (b"a", b"a "),
        (b"a", b"a."),
        (b"\xe4", "ä".encode()),
        (b"x" * 255, b"x" * 254 + b"y"),
        (b"x" * 255, b"x" * 254),
    ],
)
def test_names_that_differ_are_different(place: Path, one: bytes, other: bytes) -> None:
    folder = os.fsencode(place)
    for name in (one, other):
        os.close(os.open(folder + b"/" + name, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    assert set(os.listdir(folder)) == {one, other}


@pytest.mark.parametrize("length", [256, 300, 1023, 1024, 1025, 4000])
def test_names_that_are_too_long(place: Path, length: int) -> None:
    os.chdir(place)
    with fails(errno.ENAMETOOLONG):
        os.mkdir("n" * length)
    with fails(errno.ENAMETOOLONG):
        os.lstat("n" * length)
    with fails(errno.ENAMETOOLONG):
        os.lstat("ü" * (length // 2))
