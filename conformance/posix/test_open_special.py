"""open(2) in its Linux forms: past the cache, of a place only, without a name."""

from __future__ import annotations

import errno
import mmap
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.posix import libc
from conformance.posix.conftest import AsUser
from conformance.posix.expect import fails
from conformance.posix.files import opened
from conformance.posix.processes import ALICE

BLOCK = 4096


@pytest.fixture
def file(place: Path) -> Path:
    path = place / "file"
    path.write_bytes(b"content")
    return path


@pytest.mark.needs("direct")
def test_o_direct(file: Path) -> None:
    with (
        mmap.mmap(-1, 4 * BLOCK) as buffer,
        opened(file, os.O_RDWR | os.O_DIRECT | os.O_TRUNC) as direct,
        opened(file, os.O_RDWR) as cached,
    ):
        buffer[:] = bytes(range(256)) * (4 * BLOCK // 256)
        assert os.writev(direct, [buffer]) == 4 * BLOCK
        assert os.pread(cached, 4 * BLOCK, 0) == buffer[:]
        os.pwrite(cached, b"cached", BLOCK)
        with mmap.mmap(-1, BLOCK) as back:
            assert os.preadv(direct, [back], BLOCK) == BLOCK
            assert back[:8] == b"cached\x06\x07"


@pytest.mark.needs("direct")
def test_o_direct_at_the_end_of_a_file(file: Path) -> None:
    with mmap.mmap(-1, 2 * BLOCK) as buffer, opened(file, os.O_RDONLY | os.O_DIRECT) as direct:
        assert os.preadv(direct, [buffer], 0) == 7
        assert buffer[:7] == b"content"
        assert os.preadv(direct, [buffer], BLOCK) == 0


REFUSED: dict[str, Callable[[int], object]] = {
    "read": lambda it: os.read(it, 1),
    "write": lambda it: os.write(it, b"x"),
    "ftruncate": lambda it: os.ftruncate(it, 0),
    "fchmod": lambda it: os.fchmod(it, 0o600),
    "fchown": lambda it: os.fchown(it, -1, -1),
    "fsync": os.fsync,
    "fsetxattr": lambda it: os.setxattr(it, "user.x", b""),
    "fallocate": lambda it: os.posix_fallocate(it, 0, 1),
}


class TestOPath:
    """A descriptor that stands for a place and opens nothing."""

    @pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED.keys())
    def test_what_it_refuses(self, file: Path, call: Callable[[int], object]) -> None:
        with opened(file, os.O_PATH) as descriptor, fails(errno.EBADF):
            call(descriptor)

    def test_what_it_is_for(self, file: Path) -> None:
        with opened(file, os.O_PATH) as descriptor:
            file.rename(file.with_name("moved"))
            assert os.fstat(descriptor).st_size == 7
            with open(f"/proc/self/fd/{descriptor}", "rb") as again:
                assert again.read() == b"content"

    def test_no_permission_is_needed(self, file: Path, as_user: AsUser) -> None:
        os.chmod(file, 0o000)

        def look() -> int:
            with opened(file, os.O_PATH) as descriptor:
                return os.fstat(descriptor).st_size

        assert as_user(ALICE, look) == 7

    def test_of_a_symlink(self, place: Path) -> None:
        link = place / "link"
        link.symlink_to("nothing")
        with opened(link, os.O_PATH | os.O_NOFOLLOW) as descriptor:
            assert stat.S_ISLNK(os.fstat(descriptor).st_mode)
            assert os.readlink("", dir_fd=descriptor) == "nothing"


@pytest.mark.needs("tmpfile")
class TestOTmpfile:
    """A file without a name."""

    def test_it_has_no_name_and_goes_with_its_descriptor(self, place: Path) -> None:
        with opened(place, os.O_TMPFILE | os.O_RDWR) as descriptor:
            os.write(descriptor, b"hidden")
            assert os.pread(descriptor, 9, 0) == b"hidden"
            assert os.fstat(descriptor).st_nlink == 0
            assert os.listdir(place) == []

    @pytest.mark.parametrize("way", ["proc", "empty path"])
    def test_it_can_be_given_a_name(self, place: Path, way: str) -> None:
        with opened(place, os.O_TMPFILE | os.O_RDWR) as descriptor:
            os.write(descriptor, b"shown")
            if way == "proc":
                source = f"/proc/self/fd/{descriptor}"
                libc.linkat(source, place / "named", libc.AT_SYMLINK_FOLLOW)
            else:
                libc.linkat("", place / "named", libc.AT_EMPTY_PATH, descriptor)
            assert os.fstat(descriptor).st_nlink == 1
        assert (place / "named").read_bytes() == b"shown"

    def test_o_excl_keeps_it_nameless(self, place: Path) -> None:
        with opened(place, os.O_TMPFILE | os.O_RDWR | os.O_EXCL) as descriptor, fails(errno.ENOENT):
            source = f"/proc/self/fd/{descriptor}"
            libc.linkat(source, place / "named", libc.AT_SYMLINK_FOLLOW)

    def test_mode_and_umask(self, place: Path) -> None:
        os.umask(0o027)
        with opened(place, os.O_TMPFILE | os.O_RDWR, 0o666) as descriptor:
            assert stat.S_IMODE(os.fstat(descriptor).st_mode) == 0o640

    def test_it_must_be_writable(self, place: Path) -> None:
        with fails(errno.EINVAL):
            os.open(place, os.O_TMPFILE | os.O_RDONLY)

    def test_it_needs_a_directory(self, file: Path) -> None:
        with fails(errno.ENOTDIR):
            os.open(file, os.O_TMPFILE | os.O_RDWR)
