"""Volumes that compress: less room, the same bytes."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from sqlfs.errors import Invalid
from sqlfs.maintenance import check_file
from sqlfs.volume import VolumeFile
from sqlfs.volume.direct import DirectSession
from tests.contract.nodes import ME
from tests.format.tampering import stored
from tests.format.volumes import CHEAP

SEGMENT = 16 * 1024
CHUNK = 4 * SEGMENT
TEXT = b"".join(b"%d bottles of beer on the wall\n" % number for number in range(8000))[: 3 * CHUNK]
NOISE = random.Random(3).randbytes(2 * CHUNK)
FILES = {b"text": TEXT, b"noise": NOISE, b"both": TEXT[: CHUNK + 5000] + NOISE + TEXT[:700]}
passphrases = pytest.mark.parametrize("passphrase", [None, b"pass"], ids=["plain", "encrypted"])


def put(session: DirectSession, name: bytes, data: bytes) -> None:
    _, handle = session.create(session.root, name, 0o644, os.O_RDWR, ME)
    session.write(handle, 0, data)
    session.release(handle)


def reading(session: DirectSession, name: bytes) -> int:
    return session.open(session.lookup(session.root, name).node, os.O_RDWR)


@passphrases
def test_all_reads_as_it_was_written(tmp_path: Path, passphrase: bytes | None) -> None:
    path = tmp_path / "volume.sqlite"
    chance = random.Random(5)
    with VolumeFile.open(path, create=True, background=False) as file:
        file.create_volume("v", passphrase, chunk_size=CHUNK, compression=3, kdf=CHEAP)
        for name, data in FILES.items():
            put(file.session("v", passphrase=passphrase), name, data)
    with VolumeFile.open(path, background=False) as file:
        session = file.session("v", passphrase=passphrase)
        for name, data in FILES.items():
            handle = reading(session, name)
            assert session.read(handle, 0, len(data)) == data
            for _ in range(100):
                start, length = chance.randrange(len(data)), int(2 ** chance.uniform(0, 18))
                assert session.read(handle, start, length) == data[start : start + length]
        session.write(handle, 5, b"changed")
        session.sync()
        assert session.read(handle, 0, CHUNK) == TEXT[:5] + b"changed" + TEXT[12:CHUNK]
        assert not list(check_file(file, deep=True))


@passphrases
def test_text_takes_less_room_and_noise_no_more(tmp_path: Path, passphrase: bytes | None) -> None:
    sizes = {}
    for compression in (0, 3):
        path = tmp_path / f"{compression}.sqlite"
        with VolumeFile.open(path, create=True, background=False) as file:
            file.create_volume(
                "v", passphrase, chunk_size=CHUNK, compression=compression, kdf=CHEAP
            )
            for name in (b"text", b"noise"):
                put(file.session("v", passphrase=passphrase), name, FILES[name])
        lengths = sorted(
            row["length"] for row in stored(path, "SELECT length(sealed) AS length FROM chunk_data")
        )
        sizes[compression] = lengths
    # Two chunks of noise, three of text; the rest are manifests.
    assert sizes[0][-5:] == [CHUNK + sizes[0][-1] - CHUNK] * 5
    assert sizes[3][-2:] == sizes[0][-2:]
    assert sizes[3][-3] < CHUNK // 3


def test_volumes_that_differ_in_it_share_what_is_equal(tmp_path: Path) -> None:
    path = tmp_path / "volume.sqlite"
    with VolumeFile.open(path, create=True, background=False) as file:
        for name, compression in (("packed", 3), ("loose", 0)):
            file.create_volume(name, None, chunk_size=CHUNK, compression=compression)
        for name in ("packed", "loose"):
            put(file.session(name), b"text", TEXT)
    assert len(stored(path, "SELECT id FROM chunk_data")) == 4
    with VolumeFile.open(path, background=False) as file:
        for name in ("packed", "loose"):
            session = file.session(name)
            assert session.read(reading(session, b"text"), 100, len(TEXT)) == TEXT[100:]
            assert {it.name: it.compression for it in file.volumes()}[name] == 3 * (
                name == "packed"
            )


@pytest.mark.parametrize("compression", [-1, 20])
def test_a_level_out_of_bounds_is_refused(tmp_path: Path, compression: int) -> None:
    with (
        VolumeFile.open(tmp_path / "volume.sqlite", create=True) as file,
        pytest.raises(Invalid, match=f"a compression of {compression}"),
    ):
        file.create_volume("v", None, compression=compression)
