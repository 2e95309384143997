"""mmap(2): files as memory."""

from __future__ import annotations

import errno
import faulthandler
import mmap
import os
import resource
import shutil
import subprocess
from pathlib import Path

import pytest

from conformance.posix.conftest import Tick
from conformance.posix.expect import answer, fails
from conformance.posix.files import opened, pattern
from conformance.posix.kinds import make
from conformance.posix.libc import mmap_answer
from conformance.posix.processes import Child, in_child

PAGE = mmap.PAGESIZE
MIB = 1 << 20
SHARED, PRIVATE = mmap.MAP_SHARED, mmap.MAP_PRIVATE
READ, WRITE, EXECUTE = mmap.PROT_READ, mmap.PROT_WRITE, mmap.PROT_EXEC


@pytest.fixture
def file(place: Path) -> Path:
    path = place / "file"
    path.write_bytes(pattern(3 * PAGE + 100))
    return path


def mapped(path: Path, flags: int = SHARED, protection: int = READ | WRITE) -> mmap.mmap:
    """The whole file; its descriptor is closed already."""
    mode = os.O_RDWR if flags == SHARED and protection & WRITE else os.O_RDONLY
    with opened(path, mode) as descriptor:
        return mmap.mmap(descriptor, 0, flags, protection)


@pytest.mark.parametrize("flags", [SHARED, PRIVATE], ids=["shared", "private"])
@pytest.mark.parametrize("size", [1, PAGE - 1, PAGE, PAGE + 1, MIB + 7])
def test_a_map_shows_the_file(place: Path, flags: int, size: int) -> None:
    data = pattern(size)
    (place / "file").write_bytes(data)
    with mapped(place / "file", flags, READ) as memory:
        assert memory[:] == data


def test_writes_to_a_shared_map_are_read_at_once(file: Path) -> None:
    with mapped(file) as memory, opened(file, os.O_RDONLY) as descriptor:
        memory[0:3] = b"abc"
        memory[2 * PAGE : 2 * PAGE + 3] = b"xyz"
        assert os.pread(descriptor, 3, 0) == b"abc"
        assert os.pread(descriptor, 3, 2 * PAGE) == b"xyz"


def test_writes_to_the_file_are_in_the_map_at_once(file: Path) -> None:
    with mapped(file) as memory, opened(file, os.O_RDWR) as descriptor:
        assert memory[PAGE : PAGE + 3] == pattern(PAGE + 3)[-3:]
        os.pwrite(descriptor, b"abc", PAGE)
        assert memory[PAGE : PAGE + 3] == b"abc"


def test_writes_to_a_private_map_stay_private(file: Path) -> None:
    before = file.read_bytes()
    with mapped(file, PRIVATE) as memory:
        memory[0:3] = b"abc"
        assert memory[0:3] == b"abc"
        assert file.read_bytes() == before
    assert file.read_bytes() == before


def test_msync_and_another_open(file: Path) -> None:
    with mapped(file) as memory:
        memory[5:8] = b"abc"
        memory.flush()
        assert file.read_bytes()[5:8] == b"abc"
    assert file.read_bytes()[5:8] == b"abc"


def test_what_a_map_wrote_stays_when_it_is_gone(file: Path) -> None:
    data = pattern(3 * PAGE + 100, seed=2)
    with mapped(file) as memory:
        memory[:] = data
    with opened(file, os.O_RDONLY) as descriptor:
        os.fsync(descriptor)
    assert file.read_bytes() == data


def test_between_processes(file: Path) -> None:
    with mapped(file) as memory:

        def change() -> bytes:
            seen = memory[0:5]
            with mapped(file) as own:
                own[PAGE : PAGE + 5] = b"child"
            return bytes(seen)

        memory[0:5] = b"hello"
        assert in_child(change) == b"hello"
        assert memory[PAGE : PAGE + 5] == b"child"


def test_a_map_outlives_its_descriptor_and_its_name(file: Path) -> None:
    with mapped(file) as memory:
        file.unlink()
        memory[0:3] = b"abc"
        memory.flush()
        assert memory[0:3] == b"abc"
        assert memory[PAGE:] == pattern(3 * PAGE + 100)[PAGE:]


def test_a_map_follows_its_file_and_not_its_name(place: Path, file: Path) -> None:
    with mapped(file) as memory:
        file.rename(place / "moved")
        file.write_bytes(b"another")
        memory[0:3] = b"abc"
    assert (place / "moved").read_bytes()[:3] == b"abc"
    assert file.read_bytes() == b"another"


@pytest.mark.parametrize("protection", [READ, WRITE], ids=["reading", "writing"])
def test_touching_what_truncation_took(file: Path, protection: int) -> None:
    def touch() -> None:
        faulthandler.disable()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with mapped(file) as memory:
            os.truncate(file, PAGE)
            assert memory[PAGE - 1] == pattern(PAGE)[-1]
            if protection == READ:
                memory[2 * PAGE]
            else:
                memory[2 * PAGE] = 1

    child = Child(touch)
    assert child.how_it_ended() == "signal SIGBUS"


def test_truncation_zeroes_the_rest_of_its_page(file: Path) -> None:
    with mapped(file) as memory:
        os.truncate(file, 10)
        assert memory[:PAGE] == pattern(10) + b"\0" * (PAGE - 10)
        os.truncate(file, 2 * PAGE)
        assert memory[: 2 * PAGE] == pattern(10) + b"\0" * (2 * PAGE - 10)


def test_growing_under_a_map(file: Path) -> None:
    with opened(file, os.O_RDWR) as descriptor:
        os.ftruncate(descriptor, 0)
        os.ftruncate(descriptor, 4 * PAGE)
        with mmap.mmap(descriptor, 4 * PAGE) as memory:
            os.ftruncate(descriptor, PAGE)
            os.pwrite(descriptor, b"abc", 3 * PAGE)
            assert memory[2 * PAGE : 3 * PAGE] == b"\0" * PAGE
            assert memory[3 * PAGE : 3 * PAGE + 3] == b"abc"


@pytest.mark.needs("page_tail")
def test_writes_after_the_end_within_its_page_are_lost(place: Path) -> None:
    data = b"content" * 100
    (place / "file").write_bytes(data)
    with opened(place / "file", os.O_RDWR) as descriptor:
        os.ftruncate(descriptor, PAGE)
        with mmap.mmap(descriptor, PAGE) as memory:
            os.ftruncate(descriptor, 700)
            memory[700:710] = b"x" * 10
            memory.flush()
            assert os.pread(descriptor, PAGE, 0) == data
        os.ftruncate(descriptor, PAGE)
        assert os.pread(descriptor, PAGE, 0) == data + b"\0" * (PAGE - 700)


def test_a_map_in_a_hole(place: Path) -> None:
    (place / "file").write_bytes(b"")
    os.truncate(place / "file", 64 * MIB)
    with mapped(place / "file") as memory:
        assert memory[32 * MIB : 32 * MIB + PAGE] == b"\0" * PAGE
        memory[48 * MIB : 48 * MIB + 4] = b"data"
    with opened(place / "file", os.O_RDONLY) as descriptor:
        os.fsync(descriptor)
        assert os.pread(descriptor, 6, 48 * MIB - 1) == b"\0data\0"
        assert os.fstat(descriptor).st_blocks * 512 < 4 * MIB


def test_a_map_far_out(place: Path) -> None:
    offset = 1 << 33
    with opened(place / "file", os.O_RDWR | os.O_CREAT) as descriptor:
        os.ftruncate(descriptor, offset + PAGE)
        with mmap.mmap(descriptor, PAGE, offset=offset) as memory:
            memory[0:4] = b"data"
            assert os.pread(descriptor, 4, offset) == b"data"


def test_random_pages_written_back(place: Path) -> None:
    data = bytearray(pattern(2 * MIB))
    (place / "file").write_bytes(data)
    with mapped(place / "file") as memory:
        for number in range(0, 2 * MIB, 37 * 1024):
            piece = pattern(100, number)
            memory[number : number + 100] = piece
            data[number : number + 100] = piece
            if number % 3 == 0:
                memory.flush()
    assert (place / "file").read_bytes() == data


# --- what may be mapped ---

ANSWERS = [
    (os.O_RDONLY, READ, SHARED, "ok"),
    (os.O_RDONLY, READ | WRITE, PRIVATE, "ok"),
    (os.O_RDONLY, READ | WRITE, SHARED, "EACCES"),
    (os.O_RDONLY, WRITE, SHARED, "EACCES"),
    (os.O_WRONLY, READ, SHARED, "EACCES"),
    (os.O_WRONLY, WRITE, SHARED, "EACCES"),
    (os.O_WRONLY, READ, PRIVATE, "EACCES"),
    (os.O_RDWR, READ | WRITE, SHARED, "ok"),
    (os.O_RDWR, WRITE, SHARED, "ok"),
    (os.O_RDWR, READ, 0, "EINVAL"),
]


@pytest.mark.parametrize(("mode", "protection", "flags", "result"), ANSWERS)
def test_what_a_descriptor_allows(
    file: Path, mode: int, protection: int, flags: int, result: str
) -> None:
    with opened(file, mode) as descriptor:
        assert answer(lambda: mmap_answer(descriptor, PAGE, protection, flags)) == result


@pytest.mark.parametrize(
    ("length", "offset"), [(0, 0), (PAGE, 1), (PAGE, PAGE // 2)], ids=["empty", "odd", "half"]
)
def test_a_map_that_is_none(file: Path, length: int, offset: int) -> None:
    with opened(file, os.O_RDWR) as descriptor, fails(errno.EINVAL):
        mmap_answer(descriptor, length, READ, SHARED, offset)


@pytest.mark.parametrize("kind", ["directory", "fifo"])
def test_what_cannot_be_mapped(place: Path, kind: str) -> None:
    path = make(place / "it", kind)
    mode = os.O_RDONLY if kind == "directory" else os.O_RDWR
    with opened(path, mode) as descriptor, fails(errno.ENODEV):
        mmap_answer(descriptor, PAGE, READ, SHARED)


def test_a_map_beyond_the_end_may_be_made(file: Path) -> None:
    with opened(file, os.O_RDWR) as descriptor:
        mmap_answer(descriptor, 100 * PAGE, READ, SHARED)
        mmap_answer(descriptor, PAGE, READ, SHARED, 1000 * PAGE)


def test_writing_by_a_map_moves_mtime(file: Path, tick: Tick) -> None:
    before = os.stat(file)
    tick()
    with mapped(file) as memory:
        memory[0:3] = b"abc"
        memory.flush()
    with opened(file, os.O_RDONLY) as descriptor:
        os.fsync(descriptor)
    after = os.stat(file)
    assert after.st_mtime_ns > before.st_mtime_ns
    assert after.st_ctime_ns > before.st_ctime_ns


# --- programs ---


@pytest.fixture
def program(place: Path) -> Path:
    """A program that succeeds."""
    found = shutil.which("true")
    assert found is not None
    shutil.copy(found, place / "program")
    return place / "program"


@pytest.mark.needs("exec")
class TestPrograms:
    def test_a_program_runs(self, program: Path) -> None:
        subprocess.run([program], check=True)
        subprocess.run([program], check=True)

    def test_a_script_runs(self, place: Path) -> None:
        script = place / "script"
        script.write_text("#!/bin/sh\necho $1\n")
        script.chmod(0o755)
        assert subprocess.check_output([script, "hello"]) == b"hello\n"

    def test_a_new_program_in_the_place_of_a_running_one(self, place: Path) -> None:
        found = shutil.which("sleep")
        assert found is not None
        shutil.copy(found, place / "program")
        running = subprocess.Popen([place / "program", "60"])
        try:
            with fails(errno.ETXTBSY):
                os.open(place / "program", os.O_WRONLY)
            shutil.copy(found, place / "new")
            os.rename(place / "new", place / "program")
            assert running.poll() is None
        finally:
            running.kill()
            running.wait()

    def test_what_is_open_for_writing_does_not_run(self, program: Path) -> None:
        with opened(program, os.O_WRONLY), fails(errno.ETXTBSY):
            in_child(lambda: os.execv(program, ["it"]))

    def test_what_is_no_program(self, place: Path) -> None:
        (place / "file").write_bytes(b"\x7fELF nonsense")
        (place / "file").chmod(0o755)
        with fails(errno.ENOEXEC):
            in_child(lambda: os.execv(place / "file", ["it"]))
        with fails(errno.EACCES):
            in_child(lambda: os.execv(place, ["it"]))

    def test_by_a_descriptor_without_a_name(self, program: Path) -> None:
        with opened(program, os.O_RDONLY) as descriptor:
            program.unlink()
            os.set_inheritable(descriptor, True)
            child = Child(lambda: os.execve(descriptor, ["it"], os.environ))
            assert child.how_it_ended() == "exit 0"

    def test_executable_memory(self, program: Path) -> None:
        with opened(program, os.O_RDONLY) as descriptor:
            mmap_answer(descriptor, PAGE, READ | EXECUTE, PRIVATE)
            mmap_answer(descriptor, PAGE, READ | EXECUTE, SHARED)
