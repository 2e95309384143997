"""A part of a chunk reads as the whole does, and needs no more of it than the part."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sqlfs.errors import DamagedRange
from sqlfs.volume import VolumeFile
from sqlfs.volume.direct import DirectSession
from tests.contract.nodes import ME
from tests.format.tampering import stored, tamper
from tests.format.volumes import CHEAP

SEGMENT = 16 * 1024
CHUNK = 4 * SEGMENT
CONTENT = random.Random(7).randbytes(3 * CHUNK + 2 * SEGMENT + 1000)
PASSPHRASES = [pytest.param(None, id="plain"), pytest.param(b"pass", id="encrypted")]
passphrases = pytest.mark.parametrize("passphrase", PASSPHRASES)


@contextmanager
def session_of(path: Path, passphrase: bytes | None) -> Iterator[DirectSession]:
    is_new = not path.exists()
    with VolumeFile.open(path, create=is_new, background=False) as file:
        if is_new:
            file.create_volume("v", passphrase, chunk_size=CHUNK, kdf=CHEAP)
        yield file.session("v", passphrase=passphrase)


def put(session: DirectSession, name: bytes, data: bytes) -> None:
    _, handle = session.create(session.root, name, 0o644, os.O_RDWR, ME)
    session.write(handle, 0, data)
    session.release(handle)


def opened(session: DirectSession, name: bytes = b"file") -> int:
    return session.open(session.lookup(session.root, name).node, os.O_RDWR)


def ranges(count: int, size: int) -> Iterator[tuple[int, int]]:
    """Of every length, many of them at the bounds of segments and chunks."""
    chance = random.Random(count)
    for _ in range(count):
        start = chance.randrange(size)
        length = int(2 ** chance.uniform(0, 18.5))
        if chance.random() < 0.5:
            start = start // SEGMENT * SEGMENT + chance.choice((-1, 0, 0, 1))
        if chance.random() < 0.5:
            length = length // SEGMENT * SEGMENT + chance.choice((-1, 0, 0, 1))
        yield max(0, start), max(1, length)


@passphrases
def test_any_range(tmp_path: Path, passphrase: bytes | None) -> None:
    path = tmp_path / "volume.sqlite"
    with session_of(path, passphrase) as session:
        put(session, b"file", CONTENT)
    with session_of(path, passphrase) as session:
        handle = opened(session)
        for start, length in ranges(400, len(CONTENT)):
            assert session.read(handle, start, length) == CONTENT[start : start + length]


@passphrases
def test_any_range_over_what_is_in_memory(tmp_path: Path, passphrase: bytes | None) -> None:
    path = tmp_path / "volume.sqlite"
    with session_of(path, passphrase) as session:
        put(session, b"file", CONTENT)
    with session_of(path, passphrase) as session:
        handle = opened(session)
        content = bytearray(CONTENT)
        for at, data in ((CHUNK + 5, b"dirty"), (2 * CHUNK - 3, b"across"), (5 * CHUNK, b"far")):
            session.write(handle, at, data)
            content.extend(bytes(max(0, at + len(data) - len(content))))
            content[at : at + len(data)] = data
        for commit in (False, True):
            if commit:
                session.sync()
            for start, length in ranges(300, len(content)):
                assert session.read(handle, start, length) == content[start : start + length]


@passphrases
@pytest.mark.parametrize(
    ("segment", "damaged"),
    [(0, range(SEGMENT)), (2, range(2 * SEGMENT, 3 * SEGMENT)), (3, range(3 * SEGMENT, CHUNK))],
)
def test_a_damaged_segment_costs_itself(
    tmp_path: Path, passphrase: bytes | None, segment: int, damaged: range
) -> None:
    path = tmp_path / "volume.sqlite"
    with session_of(path, passphrase) as session:
        put(session, b"file", CONTENT[:CHUNK])
    (row,) = stored(path, "SELECT id, sealed FROM chunk_data WHERE length(sealed) > 60000")
    sealed = bytearray(row["sealed"])
    sealed[29 + segment * (SEGMENT + 16) + 77] ^= 1
    tamper(path, "UPDATE chunk_data SET sealed = :s WHERE id = :id", s=bytes(sealed), id=row["id"])
    with session_of(path, passphrase) as session:
        handle = opened(session)
        where = f"bytes {damaged.start} to {damaged.stop - 1}: chunk "
        for start, length in ranges(200, CHUNK):
            stop = min(start + length, CHUNK)
            if start < damaged.stop and damaged.start < stop:
                with pytest.raises(DamagedRange, match=where):
                    session.read(handle, start, length)
            else:
                assert session.read(handle, start, length) == CONTENT[start:stop]
        # The same bytes mend it.
        session.write(handle, 0, CONTENT[:CHUNK])
        session.sync()
        assert session.read(handle, damaged.start, SEGMENT) == CONTENT[damaged.start : damaged.stop]


@passphrases
def test_a_row_that_another_chunk_took(tmp_path: Path, passphrase: bytes | None) -> None:
    first, second = CONTENT[:CHUNK], CONTENT[CHUNK : 2 * CHUNK]
    with session_of(tmp_path / "volume.sqlite", passphrase) as session:
        for data, other in ((first, second), (second, first), (first, second)):
            put(session, b"file", data)
            session.sync()
            handle = opened(session)
            assert session.read(handle, SEGMENT, 100) == data[SEGMENT : SEGMENT + 100]
            session.release(handle)
            session.unlink(session.root, b"file")
            put(session, b"other", other)
            session.sync()
            handle = opened(session, b"other")
            assert session.read(handle, SEGMENT, 100) == other[SEGMENT : SEGMENT + 100]
            session.release(handle)
            session.unlink(session.root, b"other")


def test_a_row_that_another_volume_gave_up(tmp_path: Path) -> None:
    first, second = CONTENT[:CHUNK], CONTENT[CHUNK : 2 * CHUNK]
    with VolumeFile.open(tmp_path / "volume.sqlite", create=True, background=False) as file:
        for name in ("one", "other"):
            file.create_volume(name, None, chunk_size=CHUNK)
        one, other = file.session("one"), file.session("other")
        for session in (one, other):
            put(session, b"file", first)
            session.sync()
        handle = opened(one)
        assert one.read(handle, SEGMENT, 100) == first[SEGMENT : SEGMENT + 100]
        one.release(handle)
        for session in (one, other):
            session.unlink(session.root, b"file")
        for name, data in ((b"second", second), (b"first", first)):
            put(one, name, data)
            one.sync()
        for start, length in ((SEGMENT, 100), (SEGMENT, 2 * SEGMENT)):
            handle = opened(one, b"first")
            assert one.read(handle, start, length) == first[start : start + length]
            one.release(handle)


@passphrases
@pytest.mark.parametrize("change", ["sealed = substr(sealed, 1, 40000)", "generation = 7"])
def test_a_row_that_is_none_of_the_chunk(
    tmp_path: Path, passphrase: bytes | None, change: str
) -> None:
    path = tmp_path / "volume.sqlite"
    with session_of(path, passphrase) as session:
        put(session, b"file", CONTENT[:CHUNK])
    tamper(path, f"UPDATE chunk_data SET {change}")
    with session_of(path, passphrase) as session:
        handle = opened(session)
        with pytest.raises(DamagedRange, match=f"bytes 0 to {CHUNK - 1}: chunk "):
            session.read(handle, SEGMENT, 10)
