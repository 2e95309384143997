"""A file of one chunk reads as any other, whatever becomes of it while it is open."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqlfs.errors import DamagedRange
from tests.content.test_parts import CHUNK, CONTENT, SEGMENT, opened, passphrases, put, session_of
from tests.format.tampering import flip, stored

lengths = pytest.mark.parametrize("length", [3000, SEGMENT, SEGMENT + 1, CHUNK - 7, CHUNK])


@passphrases
@lengths
def test_any_range(tmp_path: Path, passphrase: bytes | None, length: int) -> None:
    path = tmp_path / "volume.sqlite"
    with session_of(path, passphrase) as session:
        put(session, b"file", CONTENT[:length])
    with session_of(path, passphrase) as session:
        handle = opened(session)
        for start in (0, 1, 2999, length - 1, length, length + 5):
            for size in (0, 1, 4096, SEGMENT, 2 * CHUNK):
                expected = CONTENT[:length][start : start + size]
                assert session.read(handle, start, size) == expected


@passphrases
def test_what_is_changed_while_it_is_open(tmp_path: Path, passphrase: bytes | None) -> None:
    path = tmp_path / "volume.sqlite"
    with session_of(path, passphrase) as session:
        put(session, b"file", CONTENT[:3000])
    with session_of(path, passphrase) as session:
        handle = opened(session)
        expected = bytearray(CONTENT[:3000])
        assert session.read(handle, 0, 8000) == expected
        session.write(handle, 100, b"new")
        expected[100:103] = b"new"
        assert session.read(handle, 0, 8000) == expected
        session.fsync(handle)
        assert session.read(handle, 0, 8000) == expected
        session.write(handle, 3500, b"end")
        expected += bytes(500) + b"end"
        assert session.read(handle, 0, 8000) == expected
        session.fsync(handle)
        session.release(handle)
        assert session.read(opened(session), 90, 8000) == expected[90:]


@passphrases
def test_damage_is_told_by_its_range(tmp_path: Path, passphrase: bytes | None) -> None:
    path = tmp_path / "volume.sqlite"
    with session_of(path, passphrase) as session:
        put(session, b"file", CONTENT[:3000])
    (row,) = stored(path, "SELECT id FROM chunk_data")
    flip(path, "chunk_data", "id", row["id"])
    with session_of(path, passphrase) as session:
        for _ in range(2):
            with pytest.raises(DamagedRange, match=r"/file' .*, bytes 0 to 2999: chunk "):
                session.read(opened(session), 10, 20)
