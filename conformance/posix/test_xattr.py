"""Extended attributes in every namespace."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.posix import libc
from conformance.posix.conftest import AsUser
from conformance.posix.expect import answer, fails
from conformance.posix.files import opened, pattern
from conformance.posix.kinds import make
from conformance.posix.processes import ALICE, BOB

pytestmark = pytest.mark.needs("user_xattr")

CREATE, REPLACE = os.XATTR_CREATE, os.XATTR_REPLACE
VALUE_BYTES_MAX = 65_536

NAMESPACES = [
    pytest.param("user.name", id="user"),
    pytest.param("trusted.name", id="trusted", marks=pytest.mark.needs("trusted_xattr")),
    pytest.param("security.name", id="security", marks=pytest.mark.needs("security_xattr")),
]
every_namespace = pytest.mark.parametrize("name", NAMESPACES)


def named(path: Path) -> set[str]:
    """The names of a thing's attributes, without those that the system itself put there."""
    return {it for it in os.listxattr(path, follow_symlinks=False) if it != "security.selinux"}


@pytest.fixture
def file(place: Path) -> Path:
    return make(place / "file", "file")


@every_namespace
@pytest.mark.parametrize("kind", ["file", "directory"])
def test_there_and_back(place: Path, kind: str, name: str) -> None:
    path = make(place / "it", kind)
    os.setxattr(path, name, b"value")
    assert os.getxattr(path, name) == b"value"
    assert named(path) == {name}
    os.setxattr(path, name, b"another")
    assert os.getxattr(path, name) == b"another"
    os.removexattr(path, name)
    assert named(path) == set()
    with fails(errno.ENODATA):
        os.getxattr(path, name)


@every_namespace
@pytest.mark.parametrize("length", [0, 1, 255, 256, 1000, 2048])
def test_values_of_every_length(file: Path, name: str, length: int) -> None:
    value = pattern(length)
    os.setxattr(file, name, value)
    assert os.getxattr(file, name) == value
    assert libc.getxattr(file, name, 0) == length


@every_namespace
def test_create_and_replace(file: Path, name: str) -> None:
    with fails(errno.ENODATA):
        os.setxattr(file, name, b"0", REPLACE)
    os.setxattr(file, name, b"1", CREATE)
    with fails(errno.EEXIST):
        os.setxattr(file, name, b"2", CREATE)
    assert os.getxattr(file, name) == b"1"
    os.setxattr(file, name, b"3", REPLACE)
    assert os.getxattr(file, name) == b"3"


@every_namespace
def test_create_and_replace_of_an_empty_value(file: Path, name: str) -> None:
    os.setxattr(file, name, b"", CREATE)
    with fails(errno.EEXIST):
        os.setxattr(file, name, b"", CREATE)
    os.setxattr(file, name, b"", REPLACE)
    assert os.getxattr(file, name) == b""


@every_namespace
def test_what_is_missing(file: Path, name: str) -> None:
    with fails(errno.ENODATA):
        os.getxattr(file, name)
    with fails(errno.ENODATA):
        os.removexattr(file, name)


def test_flags_that_mean_nothing(file: Path) -> None:
    with fails(errno.EINVAL):
        os.setxattr(file, "user.x", b"", 4)


NAME_ERRORS = {
    "no namespace": ("name", errno.EOPNOTSUPP),
    "an unknown namespace": ("other.name", errno.EOPNOTSUPP),
    "a namespace without a name": ("user.", errno.EINVAL),
    "a namespace without a dot": ("user", errno.EOPNOTSUPP),
    "an unknown system attribute": ("system.unknown", errno.EOPNOTSUPP),
    "an empty name": ("", errno.ERANGE),
    "256 bytes": ("user." + "n" * 251, errno.ERANGE),
}


@pytest.mark.parametrize(("name", "code"), NAME_ERRORS.values(), ids=NAME_ERRORS.keys())
@pytest.mark.parametrize("call", ["get", "set", "remove"])
def test_names_that_are_none(file: Path, call: str, name: str, code: int) -> None:
    calls: dict[str, Callable[[], object]] = {
        "get": lambda: os.getxattr(file, name),
        "set": lambda: os.setxattr(file, name, b"v"),
        "remove": lambda: os.removexattr(file, name),
    }
    with fails(code):
        calls[call]()


@pytest.mark.parametrize(
    "name", ["user.a b", "user.ü", "user..", "user.a.b.c", "user.\n", "user." + "n" * 250]
)
def test_names_of_any_bytes(file: Path, name: str) -> None:
    os.setxattr(file, name, b"v")
    assert named(file) == {name}


def test_a_name_is_not_a_prefix(file: Path) -> None:
    for name in ("user.a", "user.ab", "user.A"):
        os.setxattr(file, name, name.encode())
    os.removexattr(file, "user.a")
    assert {it: os.getxattr(file, it) for it in named(file)} == {
        "user.ab": b"user.ab",
        "user.A": b"user.A",
    }


def test_many_attributes(file: Path) -> None:
    values = {f"user.attribute{number}": pattern(20, number) for number in range(40)}
    for name, value in values.items():
        os.setxattr(file, name, value)
    assert {it: os.getxattr(file, it) for it in named(file)} == values
    for name in values:
        os.removexattr(file, name)
    assert named(file) == set()


# --- sizes ---


def test_a_buffer_that_is_too_small(file: Path) -> None:
    os.setxattr(file, "user.name", b"12345")
    with fails(errno.ERANGE):
        libc.getxattr(file, "user.name", 4)
    assert libc.getxattr(file, "user.name", 5) == 5
    needed = libc.listxattr(file, 0)
    assert needed >= len("user.name") + 1
    with fails(errno.ERANGE):
        libc.listxattr(file, needed - 1)
    assert libc.listxattr(file, needed) == needed


def test_a_value_that_is_too_large(file: Path) -> None:
    with fails(errno.E2BIG):
        libc.setxattr(file, "user.name", b"v" * (VALUE_BYTES_MAX + 1), 0)
    assert named(file) == set()


@pytest.mark.needs("xattr_64k")
def test_the_largest_value(file: Path) -> None:
    value = pattern(VALUE_BYTES_MAX)
    os.setxattr(file, "user.name", value)
    assert os.getxattr(file, "user.name") == value
    os.setxattr(file, "user.name", b"small")
    assert os.getxattr(file, "user.name") == b"small"


def test_a_value_for_which_there_is_no_room_changes_nothing(file: Path) -> None:
    os.setxattr(file, "user.name", b"kept")
    result = answer(lambda: os.setxattr(file, "user.name", b"v" * VALUE_BYTES_MAX))
    assert result in ("ok", "ENOSPC")
    if result != "ok":
        assert os.getxattr(file, "user.name") == b"kept"


# --- what carries them ---


@pytest.mark.parametrize("kind", ["symlink", "fifo", "socket"])
@pytest.mark.parametrize("call", ["set", "get"])
def test_user_attributes_are_for_files_and_directories(place: Path, kind: str, call: str) -> None:
    path = make(place / "it", kind)
    if call == "set":
        with fails(errno.EPERM):
            os.setxattr(path, "user.name", b"v", follow_symlinks=False)
    else:
        with fails(errno.ENODATA, errno.EPERM):
            os.getxattr(path, "user.name", follow_symlinks=False)
    assert named(path) == set()


@pytest.mark.parametrize("kind", ["symlink", "fifo", "socket"])
@pytest.mark.needs("trusted_xattr")
def test_trusted_attributes_are_for_everything(place: Path, kind: str) -> None:
    path = make(place / "it", kind)
    os.setxattr(path, "trusted.name", b"v", follow_symlinks=False)
    assert os.getxattr(path, "trusted.name", follow_symlinks=False) == b"v"
    assert named(path) == {"trusted.name"}


def test_a_symlink_is_followed(place: Path, file: Path) -> None:
    (place / "link").symlink_to("file")
    os.setxattr(place / "link", "user.name", b"v")
    assert os.getxattr(file, "user.name") == b"v"
    assert named(place / "link") == set()


def test_through_a_descriptor_and_after_its_name_went(file: Path) -> None:
    with opened(file, os.O_RDONLY) as descriptor:
        os.setxattr(descriptor, "user.name", b"v")
        file.unlink()
        os.setxattr(descriptor, "user.other", b"w")
        assert set(os.listxattr(descriptor)) >= {"user.name", "user.other"}
        assert os.getxattr(descriptor, "user.name") == b"v"


def test_they_stay_with_the_thing(place: Path, file: Path) -> None:
    os.setxattr(file, "user.name", b"v")
    os.link(file, place / "link")
    file.rename(place / "moved")
    file.write_bytes(b"another file")
    assert os.getxattr(place / "link", "user.name") == b"v"
    assert os.getxattr(place / "moved", "user.name") == b"v"
    assert named(file) == set()
    (place / "moved").rename(file)
    assert os.getxattr(file, "user.name") == b"v"


def test_writing_truncating_and_mode_leave_them(file: Path) -> None:
    os.setxattr(file, "user.name", b"v")
    file.write_bytes(b"new content")
    os.truncate(file, 0)
    os.chmod(file, 0o600)
    assert os.getxattr(file, "user.name") == b"v"


# --- who may ---


@pytest.mark.parametrize(
    ("mode", "reads", "writes"),
    [
        (0o666, "ok", "ok"),
        (0o644, "ok", "EACCES"),
        (0o622, "EACCES", "ok"),
        (0, "EACCES", "EACCES"),
    ],
)
@pytest.mark.parametrize("kind", ["file", "directory"])
def test_user_attributes_follow_the_permissions(
    place: Path, as_user: AsUser, kind: str, mode: int, reads: str, writes: str
) -> None:
    path = make(place / "it", kind)
    os.setxattr(path, "user.name", b"v")
    os.chmod(path, mode)
    assert as_user(ALICE, lambda: answer(lambda: os.getxattr(path, "user.name"))) == reads
    assert as_user(ALICE, lambda: answer(lambda: os.setxattr(path, "user.x", b"w"))) == writes
    assert as_user(ALICE, lambda: answer(lambda: os.removexattr(path, "user.name"))) == writes
    assert as_user(ALICE, lambda: answer(lambda: os.listxattr(path))) == "ok"


def test_in_a_sticky_directory_only_the_owner(place: Path, as_user: AsUser) -> None:
    folder = make(place / "folder", "directory")
    os.chown(folder, BOB.uid, -1)
    os.chmod(folder, 0o1777)
    with fails(errno.EPERM):
        as_user(ALICE, lambda: os.setxattr(folder, "user.name", b"v"))
    as_user(BOB, lambda: os.setxattr(folder, "user.name", b"v"))


@pytest.mark.needs("trusted_xattr")
def test_trusted_attributes_are_for_root(file: Path, as_user: AsUser) -> None:
    os.setxattr(file, "trusted.name", b"v")
    os.chown(file, ALICE.uid, -1)
    assert as_user(ALICE, lambda: named(file)) == set()
    with fails(errno.ENODATA):
        as_user(ALICE, lambda: os.getxattr(file, "trusted.name"))
    with fails(errno.EPERM):
        as_user(ALICE, lambda: os.setxattr(file, "trusted.name", b"w"))
    with fails(errno.EPERM):
        as_user(ALICE, lambda: os.removexattr(file, "trusted.name"))


@pytest.mark.needs("security_xattr")
def test_security_attributes_are_set_by_root_and_read_by_all(file: Path, as_user: AsUser) -> None:
    os.setxattr(file, "security.name", b"v")
    os.chown(file, ALICE.uid, -1)
    assert as_user(ALICE, lambda: os.getxattr(file, "security.name")) == b"v"
    with fails(errno.EPERM):
        as_user(ALICE, lambda: os.setxattr(file, "security.name", b"w"))
    with fails(errno.EPERM):
        as_user(ALICE, lambda: os.removexattr(file, "security.name"))


CAPABILITY = b"\x01\0\0\x02" + b"\0\x20\0\0" + b"\0" * 12


@pytest.mark.needs("security_xattr", "users")
@pytest.mark.parametrize("change", ["write", "truncate", "chown"])
def test_file_capabilities_go_with_a_change(file: Path, change: str) -> None:
    os.setxattr(file, "security.capability", CAPABILITY)
    assert os.getxattr(file, "security.capability") == CAPABILITY
    if change == "write":
        with opened(file, os.O_WRONLY) as descriptor:
            os.write(descriptor, b"x")
    elif change == "truncate":
        os.truncate(file, 3)
    else:
        os.chown(file, ALICE.uid, -1)
    with fails(errno.ENODATA):
        os.getxattr(file, "security.capability")
