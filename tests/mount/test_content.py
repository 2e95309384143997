"""Content through the mount: reading, writing, mapping, and files without a name."""

from __future__ import annotations

import mmap
import os
import random
from pathlib import Path

from sqlfs.limits import KIB, MIB
from tests.mount.mounting import Mount, run


def test_unlinked_while_open(mounted: Mount) -> None:
    path = mounted / "file"
    with path.open("w+b", buffering=0) as stream:
        stream.write(b"before")
        path.unlink()
        stream.write(b" and after")
        assert os.fstat(stream.fileno()).st_nlink == 0
        assert os.pread(stream.fileno(), 100, 0) == b"before and after"
        os.ftruncate(stream.fileno(), 6)
        assert os.pread(stream.fileno(), 100, 0) == b"before"
    assert list(mounted.directory.iterdir()) == []


def test_appending_from_two_descriptors(mounted: Mount) -> None:
    path = mounted / "file"
    with path.open("ab", buffering=0) as one, path.open("ab", buffering=0) as two:
        for number in range(20):
            (one if number % 2 else two).write(b"%02d" % number)
    assert path.read_bytes() == b"".join(b"%02d" % number for number in range(20))


def test_truncating_at_open(mounted: Mount) -> None:
    path = mounted / "file"
    path.write_bytes(b"x" * 10_000)
    with path.open("rb") as before:
        os.close(os.open(path, os.O_WRONLY | os.O_TRUNC))
        assert os.fstat(before.fileno()).st_size == 0
        assert before.read() == b""


def test_holes(mounted: Mount) -> None:
    path = mounted / "file"
    size = 1 << 40
    with path.open("wb") as stream:
        stream.truncate(size)
        stream.seek(size // 2)
        stream.write(b"island")
    mounted.remount()
    status = path.stat()
    assert status.st_size == size
    assert status.st_blocks * 512 < MIB
    with path.open("rb") as stream:
        stream.seek(size // 2 - 3)
        assert stream.read(12) == b"\0\0\0island\0\0\0"


def test_random_writes_against_a_real_file(mounted: Mount, tmp_path: Path) -> None:
    random_ = random.Random(7)
    size = 3 * MIB
    with (
        (mounted / "file").open("w+b", buffering=0) as ours,
        (tmp_path / "real").open("w+b", buffering=0) as real,
    ):
        for _ in range(200):
            offset = random_.randrange(size)
            length = random_.choice([1, 100, 4096, 70_000])
            data = random_.randbytes(length)
            for stream in (ours, real):
                os.pwrite(stream.fileno(), data, offset)
            if random_.random() < 0.05:
                cut = random_.randrange(size)
                for stream in (ours, real):
                    stream.truncate(cut)
            at = random_.randrange(size)
            assert os.pread(ours.fileno(), 9000, at) == os.pread(real.fileno(), 9000, at)
    mounted.remount()
    run("cmp", mounted / "file", tmp_path / "real")


def test_a_shared_map_is_the_file(mounted: Mount) -> None:
    path = mounted / "file"
    path.write_bytes(bytes(64 * KIB))
    with path.open("r+b") as stream, mmap.mmap(stream.fileno(), 0) as pages:
        pages[5:10] = b"hello"
        pages.flush()
        assert os.pread(stream.fileno(), 5, 5) == b"hello"
        os.pwrite(stream.fileno(), b"HELLO", 5)
        assert pages[5:10] == b"HELLO"
        pages[60_000:60_003] = b"end"
    mounted.remount()
    content = path.read_bytes()
    assert (content[5:10], content[60_000:60_003]) == (b"HELLO", b"end")


def test_large_files_in_and_out(mounted: Mount, tmp_path: Path) -> None:
    source = tmp_path / "source"
    with source.open("wb") as stream:
        for _ in range(48):
            stream.write(os.urandom(MIB))
    run("cp", source, mounted / "copy")
    run("cmp", source, mounted / "copy")
    mounted.remount()
    run("cmp", source, mounted / "copy")
