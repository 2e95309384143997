"""open(2): what its flags do, and which it refuses."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from conformance.posix.conftest import AsUser, Tick
from conformance.posix.expect import answer, exists, fails
from conformance.posix.files import opened
from conformance.posix.processes import ALICE, BOB, Child, in_child


@pytest.fixture
def file(place: Path) -> Path:
    path = place / "file"
    path.write_bytes(b"content")
    return path


def make(place: Path, kind: str) -> Path:
    path = place / kind.replace(" ", "-")
    if kind == "file":
        path.write_bytes(b"content")
    elif kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "symlink to a file":
        (place / "target").write_bytes(b"content")
        path.symlink_to("target")
    elif kind == "symlink to a directory":
        (place / "folder").mkdir()
        path.symlink_to("folder")
    elif kind == "symlink to nothing":
        path.symlink_to("nothing")
    return path


# The errno of each combination of flags with each kind of thing, the flags in octal as in C.
WRITING = os.O_WRONLY | os.O_NONBLOCK
TABLE = {
    "file": {
        os.O_RDONLY: "ok",
        os.O_RDWR: "ok",
        os.O_RDONLY | os.O_NOFOLLOW: "ok",
        os.O_RDONLY | os.O_DIRECTORY: "ENOTDIR",
        os.O_WRONLY | os.O_CREAT: "ok",
        os.O_WRONLY | os.O_CREAT | os.O_EXCL: "EEXIST",
        os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_TRUNC: "EEXIST",
    },
    "directory": {
        os.O_RDONLY: "ok",
        os.O_RDONLY | os.O_DIRECTORY: "ok",
        os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW: "ok",
        os.O_WRONLY: "EISDIR",
        os.O_RDWR: "EISDIR",
        os.O_RDONLY | os.O_TRUNC: "EISDIR",
        os.O_RDONLY | os.O_CREAT: "EISDIR",
        os.O_WRONLY | os.O_CREAT: "EISDIR",
        os.O_RDONLY | os.O_CREAT | os.O_EXCL: "EEXIST",
    },
    "fifo": {
        os.O_RDONLY | os.O_NONBLOCK: "ok",
        WRITING: "ENXIO",
        os.O_RDWR: "ok",
        os.O_RDONLY | os.O_DIRECTORY: "ENOTDIR",
        WRITING | os.O_CREAT | os.O_EXCL: "EEXIST",
    },
    "symlink to a file": {
        os.O_RDONLY: "ok",
        os.O_RDONLY | os.O_NOFOLLOW: "ELOOP",
        os.O_WRONLY | os.O_CREAT: "ok",
        os.O_WRONLY | os.O_CREAT | os.O_EXCL: "EEXIST",
        os.O_RDONLY | os.O_DIRECTORY: "ENOTDIR",
        os.O_PATH | os.O_NOFOLLOW: "ok",
    },
    "symlink to a directory": {
        os.O_RDONLY: "ok",
        os.O_RDONLY | os.O_DIRECTORY: "ok",
        os.O_RDONLY | os.O_NOFOLLOW: "ELOOP",
        os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW: "ENOTDIR",
        os.O_WRONLY: "EISDIR",
    },
    "symlink to nothing": {
        os.O_RDONLY: "ENOENT",
        os.O_WRONLY | os.O_CREAT: "ok",
        os.O_WRONLY | os.O_CREAT | os.O_EXCL: "EEXIST",
        os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW: "ELOOP",
        os.O_RDONLY | os.O_NOFOLLOW: "ELOOP",
    },
    "nothing": {
        os.O_RDONLY: "ENOENT",
        os.O_WRONLY: "ENOENT",
        os.O_RDONLY | os.O_DIRECTORY: "ENOENT",
        os.O_RDONLY | os.O_CREAT: "ok",
        os.O_WRONLY | os.O_CREAT | os.O_EXCL: "ok",
        os.O_PATH: "ENOENT",
    },
}
CASES = [(kind, flags, it) for kind, rows in TABLE.items() for flags, it in rows.items()]


@pytest.mark.parametrize(
    ("kind", "flags", "result"), CASES, ids=[f"{kind}-{flags:o}" for kind, flags, _ in CASES]
)
def test_flags_on_each_kind(place: Path, kind: str, flags: int, result: str) -> None:
    path = make(place, kind)
    assert answer(lambda: os.close(os.open(path, flags))) == result


def test_creating_through_a_symlink_to_nothing_makes_its_target(place: Path) -> None:
    link = make(place, "symlink to nothing")
    link.write_bytes(b"new")
    assert (place / "nothing").read_bytes() == b"new"
    assert link.is_symlink()


ACCESS = [
    (mode, how, "ok" if mode & how == how else "EACCES") for mode in range(8) for how in (4, 2, 6)
]
HOW = {4: os.O_RDONLY, 2: os.O_WRONLY, 6: os.O_RDWR}


@pytest.mark.parametrize("who", ["owner", "group", "other"])
@pytest.mark.parametrize(("mode", "how", "result"), ACCESS)
def test_permission_bits(
    file: Path, as_user: AsUser, who: str, mode: int, how: int, result: str
) -> None:
    shift = {"owner": 6, "group": 3, "other": 0}[who]
    os.chown(file, ALICE.uid if who == "owner" else BOB.uid, BOB.gid)
    # Only the first class that fits counts: the others allow what this one forbids, and back.
    os.chmod(file, (~mode & 7) * 0o111 & ~(7 << shift) | mode << shift)
    user = ALICE.also_in(BOB.gid) if who == "group" else ALICE
    assert as_user(user, lambda: answer(lambda: os.close(os.open(file, HOW[how])))) == result
    assert as_user(user, lambda: os.access(file, how)) == (result == "ok")


def test_truncating_needs_write_permission(file: Path, as_user: AsUser) -> None:
    os.chmod(file, 0o444)
    with fails(errno.EACCES):
        as_user(ALICE, lambda: os.open(file, os.O_RDONLY | os.O_TRUNC))
    assert file.read_bytes() == b"content"


def test_a_new_file_opens_for_writing_whatever_its_mode(place: Path, as_user: AsUser) -> None:
    place.chmod(0o777)

    def create() -> None:
        with opened(place / "new", os.O_CREAT | os.O_RDWR, 0o000) as descriptor:
            os.write(descriptor, b"once")
            assert os.pread(descriptor, 9, 0) == b"once"
        with fails(errno.EACCES):
            os.open(place / "new", os.O_RDONLY)

    as_user(ALICE, create)


def test_o_trunc_empties_and_moves_times(file: Path, tick: Tick) -> None:
    before = os.stat(file)
    tick()
    with opened(file, os.O_WRONLY | os.O_TRUNC):
        after = os.stat(file)
    assert (after.st_size, after.st_ino) == (0, before.st_ino)
    assert after.st_mtime_ns > before.st_mtime_ns
    assert after.st_ctime_ns > before.st_ctime_ns


def test_opening_without_o_trunc_moves_no_time(file: Path, tick: Tick) -> None:
    before = os.stat(file)
    tick()
    with opened(file, os.O_RDWR | os.O_CREAT):
        pass
    after = os.stat(file)
    assert (after.st_mtime_ns, after.st_ctime_ns) == (before.st_mtime_ns, before.st_ctime_ns)


def test_o_trunc_on_a_fifo_does_nothing(place: Path) -> None:
    os.mkfifo(place / "fifo")
    with opened(place / "fifo", os.O_RDWR | os.O_TRUNC) as descriptor:
        os.write(descriptor, b"x")
        assert os.read(descriptor, 1) == b"x"


def test_o_append_from_several_handles(file: Path) -> None:
    flags = os.O_WRONLY | os.O_APPEND
    with (
        opened(file, flags) as one,
        opened(file, flags) as other,
        opened(file, os.O_WRONLY) as third,
    ):
        os.write(one, b"-1")
        os.write(other, b"-2")
        os.pwrite(third, b"C", 0)
        os.lseek(one, 0, os.SEEK_SET)
        os.write(one, b"-3")
        assert os.lseek(one, 0, os.SEEK_CUR) == len(b"content-1-2-3")
    assert file.read_bytes() == b"Content-1-2-3"


def test_o_append_after_truncation_by_another(file: Path) -> None:
    with opened(file, os.O_WRONLY | os.O_APPEND) as descriptor:
        os.write(descriptor, b"more")
        os.truncate(file, 2)
        os.write(descriptor, b"end")
    assert file.read_bytes() == b"coend"


def test_o_append_wins_over_the_offset_of_pwrite(file: Path) -> None:
    with opened(file, os.O_WRONLY | os.O_APPEND) as descriptor:
        os.pwrite(descriptor, b"!", 0)
    assert file.read_bytes() == b"content!"


def test_o_append_from_several_processes_loses_and_tears_nothing(file: Path) -> None:
    file.write_bytes(b"")

    def append(letter: int) -> None:
        with opened(file, os.O_WRONLY | os.O_APPEND) as descriptor:
            for number in range(100):
                os.write(descriptor, b"%c%04d" % (letter, number) * 20 + b"\n")

    children = [Child(partial(append, letter)) for letter in b"abcd"]
    for child in children:
        child.result()
    lines = file.read_bytes().splitlines()
    assert sorted(lines) == sorted(
        b"%c%04d" % (letter, number) * 20 for letter in b"abcd" for number in range(100)
    )


def test_o_excl_lets_one_process_win(place: Path) -> None:
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY

    def race() -> list[int]:
        won = []
        for number in range(100):
            with suppress(FileExistsError), opened(place / str(number), flags):
                won.append(number)
        return won

    children = [Child(race) for _ in range(3)]
    winners = [number for child in children for number in child.result()]
    assert sorted(winners) == list(range(100))


@pytest.mark.parametrize("flag", [os.O_SYNC, os.O_DSYNC], ids=["O_SYNC", "O_DSYNC"])
def test_synchronous_writes(file: Path, flag: int) -> None:
    with opened(file, os.O_RDWR | flag) as descriptor:
        assert os.write(descriptor, b"C") == 1
        assert os.pwrite(descriptor, b"x" * 10_000, 7) == 10_000
        os.ftruncate(descriptor, 9)
    assert file.read_bytes() == b"Contentxx"


def test_each_open_has_its_own_position_and_duplicates_share_one(file: Path) -> None:
    with opened(file, os.O_RDONLY) as one, opened(file, os.O_RDONLY) as other:
        duplicate = os.dup(one)
        assert os.read(one, 3) == b"con"
        assert os.read(duplicate, 2) == b"te"
        assert os.read(other, 3) == b"con"
        assert in_child(lambda: os.read(one, 1)) == b"n"
        assert os.read(one, 9) == b"t"
        os.close(duplicate)


def test_what_a_descriptor_was_not_opened_for(file: Path) -> None:
    with opened(file, os.O_RDONLY) as reading, opened(file, os.O_WRONLY) as writing:
        with fails(errno.EBADF):
            os.write(reading, b"x")
        with fails(errno.EBADF):
            os.read(writing, 1)


def test_a_directory_is_not_read_or_written_as_a_file(place: Path) -> None:
    with opened(place, os.O_RDONLY) as descriptor:
        with fails(errno.EISDIR):
            os.read(descriptor, 1)
        with fails(errno.EBADF):
            os.write(descriptor, b"x")


def test_o_noatime_is_for_the_owner(file: Path, as_user: AsUser) -> None:
    os.chmod(file, 0o666)
    with fails(errno.EPERM):
        as_user(ALICE, lambda: os.open(file, os.O_RDONLY | os.O_NOATIME))
    os.chown(file, ALICE.uid, ALICE.gid)
    as_user(ALICE, lambda: os.close(os.open(file, os.O_RDONLY | os.O_NOATIME)))


def test_a_failed_exclusive_open_leaves_things_alone(file: Path) -> None:
    with fails(errno.EEXIST):
        os.open(file, os.O_CREAT | os.O_EXCL | os.O_TRUNC | os.O_WRONLY)
    assert file.read_bytes() == b"content"
    assert not exists(file.with_name("other"))
