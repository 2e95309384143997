"""Set-uid and set-gid programs: what they become, and what takes their bits away."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.posix import libc
from conformance.posix.conftest import AsUser
from conformance.posix.expect import fails, permissions
from conformance.posix.files import opened
from conformance.posix.processes import ALICE, BOB, STAFF, User

pytestmark = pytest.mark.needs("users")


def _write(path: Path) -> None:
    with opened(path, os.O_WRONLY) as descriptor:
        os.write(descriptor, b"x")


def _append(path: Path) -> None:
    with opened(path, os.O_WRONLY | os.O_APPEND) as descriptor:
        os.write(descriptor, b"x")


def _ftruncate(path: Path) -> None:
    with opened(path, os.O_WRONLY) as descriptor:
        os.ftruncate(descriptor, 3)


def _grow(path: Path) -> None:
    os.truncate(path, 1 << 20)


def _same_size(path: Path) -> None:
    os.truncate(path, os.stat(path).st_size)


def _open_truncating(path: Path) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_TRUNC))


def _write_nothing(path: Path) -> None:
    with opened(path, os.O_WRONLY) as descriptor:
        os.write(descriptor, b"")


def _read(path: Path) -> None:
    path.read_bytes()


Change = Callable[[Path], None]
CHANGES: dict[str, Change] = {
    "write": _write,
    "append": _append,
    "ftruncate": _ftruncate,
    "grow": _grow,
    "truncate to the same size": _same_size,
    "O_TRUNC": _open_truncating,
}
NO_CHANGES: dict[str, Change] = {"write nothing": _write_nothing, "read": _read}


@pytest.fixture
def program(place: Path) -> Path:
    """Alice's, and writable for everybody."""
    path = place / "program"
    path.write_bytes(b"#!/bin/true\n")
    os.chown(path, ALICE.uid, STAFF)
    os.chmod(path, 0o6777)
    return path


@pytest.mark.parametrize(
    "user", [ALICE, BOB, ALICE.also_in(STAFF)], ids=["owner", "other", "member"]
)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_by_a_user_takes_the_bits(
    program: Path, as_user: AsUser, change: Change, user: User
) -> None:
    as_user(user, lambda: change(program))
    assert permissions(program) == 0o777


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_by_root_leaves_them(program: Path, change: Change) -> None:
    change(program)
    assert permissions(program) == 0o6777


@pytest.mark.parametrize("change", NO_CHANGES.values(), ids=NO_CHANGES.keys())
def test_no_change_leaves_them(program: Path, as_user: AsUser, change: Change) -> None:
    as_user(BOB, lambda: change(program))
    assert permissions(program) == 0o6777


def test_who_writes_counts_and_not_who_opened(program: Path, as_user: AsUser) -> None:
    with opened(program, os.O_WRONLY) as descriptor:
        as_user(BOB, lambda: os.write(descriptor, b"x"))
    assert permissions(program) == 0o777


def test_who_truncates_counts_and_not_who_opened(program: Path, as_user: AsUser) -> None:
    with opened(program, os.O_WRONLY) as descriptor:
        as_user(BOB, lambda: os.ftruncate(descriptor, 1))
    assert permissions(program) == 0o777


@pytest.mark.parametrize(
    ("before", "after"),
    [(0o4644, 0o644), (0o2654, 0o654), (0o2666, 0o2666), (0o6666, 0o2666), (0o1666, 0o1666)],
)
def test_which_bits_a_write_takes(program: Path, as_user: AsUser, before: int, after: int) -> None:
    # A member of the group: for others, set-gid goes even without execution.
    os.chmod(program, before)
    as_user(ALICE.also_in(STAFF), lambda: _write(program))
    assert permissions(program) == after


@pytest.mark.parametrize("before", [0o2666, 0o2676, 0o6666])
def test_who_is_not_of_the_group_takes_set_gid_always(
    program: Path, as_user: AsUser, before: int
) -> None:
    os.chmod(program, before)
    as_user(BOB, lambda: _write(program))
    assert permissions(program) == before & 0o777


@pytest.mark.needs("punch_hole")
@pytest.mark.parametrize(
    "mode", [0, libc.FALLOC_KEEP_SIZE, libc.FALLOC_PUNCH_HOLE | libc.FALLOC_KEEP_SIZE]
)
def test_fallocate_takes_them(program: Path, as_user: AsUser, mode: int) -> None:
    def allocate() -> None:
        with opened(program, os.O_RDWR) as descriptor:
            libc.fallocate(descriptor, mode, 0, 4096)

    as_user(BOB, allocate)
    assert permissions(program) == 0o777


def test_a_copy_takes_them(program: Path, as_user: AsUser) -> None:
    def copy() -> None:
        with opened(program, os.O_RDWR) as descriptor:
            os.copy_file_range(descriptor, descriptor, 4, 0, 4)

    program.write_bytes(b"content")
    os.chmod(program, 0o6777)
    as_user(BOB, copy)
    assert permissions(program) == 0o777


def test_bits_set_again_are_taken_again(program: Path, as_user: AsUser) -> None:
    def write_twice() -> None:
        with opened(program, os.O_WRONLY) as descriptor:
            os.write(descriptor, b"x")
            os.chmod(program, 0o4755)
            os.write(descriptor, b"x")

    as_user(ALICE, write_twice)
    assert permissions(program) == 0o755


def test_a_link_or_a_rename_leaves_them(program: Path) -> None:
    os.link(program, program.with_name("other"))
    program.rename(program.with_name("moved"))
    assert permissions(program.with_name("moved")) == 0o6777


@pytest.fixture
def identity(place: Path) -> Path:
    """A program that prints who it runs as."""
    found = shutil.which("id")
    assert found is not None
    path = place / "identity"
    shutil.copyfile(found, path)
    os.chmod(path, 0o755)
    return path


def printed(program: Path, option: str) -> int:
    return int(subprocess.check_output([program, option]))


@pytest.mark.needs("exec")
def test_a_plain_program_runs_as_its_user(identity: Path, as_user: AsUser) -> None:
    assert as_user(ALICE, lambda: printed(identity, "-u")) == ALICE.uid
    assert as_user(ALICE, lambda: printed(identity, "-g")) == ALICE.gid


@pytest.mark.needs("exec", "suid")
@pytest.mark.parametrize(
    ("mode", "uid", "gid"),
    [
        (0o4755, BOB.uid, ALICE.gid),
        (0o2755, ALICE.uid, STAFF),
        (0o6755, BOB.uid, STAFF),
        (0o2745, ALICE.uid, ALICE.gid),
    ],
)
def test_a_set_id_program_runs_as_its_owner(
    identity: Path, as_user: AsUser, mode: int, uid: int, gid: int
) -> None:
    os.chown(identity, BOB.uid, STAFF)
    os.chmod(identity, mode)
    assert as_user(ALICE, lambda: printed(identity, "-u")) == uid
    assert as_user(ALICE, lambda: printed(identity, "-g")) == gid


EXECUTION = [
    (0o755, "ok"),
    (0o111, "ok"),
    (0o644, "EACCES"),
    (0o766, "EACCES"),
    (0o001, "ok"),
]


@pytest.mark.needs("exec")
@pytest.mark.parametrize(("mode", "result"), EXECUTION)
def test_execution_takes_permission(
    identity: Path, as_user: AsUser, mode: int, result: str
) -> None:
    os.chmod(identity, mode)
    if result == "ok":
        assert as_user(ALICE, lambda: printed(identity, "-u")) == ALICE.uid
    else:
        with fails(errno.EACCES):
            as_user(ALICE, lambda: os.execv(identity, ["id"]))


def test_root_executes_nothing_that_nobody_may(identity: Path, as_user: AsUser) -> None:
    os.chmod(identity, 0o666)
    assert as_user(ALICE, lambda: os.access(identity, os.X_OK)) is False
    assert os.access(identity, os.X_OK) is False
    assert os.access(identity, os.R_OK | os.W_OK)
