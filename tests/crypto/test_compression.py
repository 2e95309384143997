"""What is compressed comes back, and nothing takes more memory than a chunk may."""

from __future__ import annotations

import random

import pytest
import zstandard

from sqlfs.crypto import Codec, Purpose, Sealer
from sqlfs.crypto.compression import Compressor, decompressed
from sqlfs.errors import Corrupt, UnsupportedFormat
from sqlfs.limits import CHUNK_BYTES_MAX, NODE_BYTES_MAX

TEXT = b"".join(b"line %d of a text that repeats itself\n" % number for number in range(9000))
NOISE = random.Random(1).randbytes(300_000)
AAD = (3, b"digest")
both = pytest.mark.parametrize("sealer", [Sealer.plain(), Sealer.from_master(bytes(32), 1)])


@pytest.mark.parametrize("level", [1, 3, 19])
@pytest.mark.parametrize("length", [513, 4096, 16_385, 262_144])
def test_text_is_shorter_and_comes_back(level: int, length: int) -> None:
    frame = Compressor(level).compressed(TEXT[:length])
    assert frame is not None
    assert len(frame) <= length * 7 // 8
    assert decompressed(frame, CHUNK_BYTES_MAX, "chunk") == TEXT[:length]


@pytest.mark.parametrize("length", [513, 4096, 16_385, 262_144])
def test_what_does_not_shrink_is_left_as_it_is(length: int) -> None:
    assert Compressor(3).compressed(NOISE[:length]) is None
    some_text = NOISE[: length - length // 20] + TEXT[: length // 20]
    assert Compressor(3).compressed(some_text) is None


@both
def test_compressed_it_is_shorter_when_it_is_sealed(sealer: Sealer) -> None:
    """The most that is kept: by the length of what is sealed its codec is known."""
    for length in (*range(513, 700), 4096, 16_384, 16_385, 20_000, 262_144, CHUNK_BYTES_MAX):
        packed = bytes(length - length // 8)
        short = sealer.seal(Purpose.CHUNK, AAD, packed, Codec.ZSTD)
        assert len(short) < len(sealer.seal(Purpose.CHUNK, AAD, bytes(length)))


@both
@pytest.mark.parametrize("length", [600, NODE_BYTES_MAX])
def test_sealed_it_opens_as_a_chunk_or_a_node_alone(sealer: Sealer, length: int) -> None:
    frame = Compressor(3).compressed(TEXT[:length])
    assert frame is not None
    sealed = sealer.seal(Purpose.CHUNK, AAD, frame, Codec.ZSTD)
    assert sealer.open(Purpose.CHUNK, AAD, sealed, "thing") == TEXT[:length]
    assert sealer.body_unverified(sealed) == TEXT[:length]
    row = sealer.seal(Purpose.NODE, AAD, frame, Codec.ZSTD)
    assert sealer.open(Purpose.NODE, AAD, row, "thing") == TEXT[:length]
    row = sealer.seal(Purpose.XATTR, AAD, frame, Codec.ZSTD)
    with pytest.raises(UnsupportedFormat, match=r"^thing: its codec 1 "):
        sealer.open(Purpose.XATTR, AAD, row, "thing")


@both
def test_a_long_chunk_opens(sealer: Sealer) -> None:
    frame = Compressor(3).compressed(TEXT[:200_000])
    assert frame is not None
    sealed = sealer.seal(Purpose.CHUNK, AAD, frame, Codec.ZSTD)
    assert sealer.open(Purpose.CHUNK, AAD, sealed, "thing") == TEXT[:200_000]
    assert sealer.body_unverified(sealed) == TEXT[:200_000]


@both
def test_a_node_is_never_large(sealer: Sealer) -> None:
    """Many are in memory at a time, and a forged one costs whoever forges it next to nothing."""
    frame = Compressor(3).compressed(TEXT[: NODE_BYTES_MAX + 1])
    assert frame is not None
    sealed = sealer.seal(Purpose.NODE, AAD, frame, Codec.ZSTD)
    with pytest.raises(Corrupt, match=r"^node 7: damaged, it does not decompress"):
        sealer.open(Purpose.NODE, AAD, sealed, "node 7")


def _without_size(body: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=False).compress(body)


BOMB = zstandard.ZstdCompressor(level=19).compress(bytes(2**30))


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"no frame at all", id="other bytes"),
        pytest.param(zstandard.compress(TEXT)[:-1], id="cut off"),
        pytest.param(zstandard.compress(TEXT) + b"\0", id="something behind it"),
        pytest.param(zstandard.compress(TEXT) * 2, id="two frames"),
        pytest.param(_without_size(TEXT), id="no size"),
        pytest.param(zstandard.compress(bytes(CHUNK_BYTES_MAX + 1)), id="too large"),
        pytest.param(BOMB, id="a bomb"),
        pytest.param(BOMB[:5] + b"\x10\0\0\0" + BOMB[9:], id="a bomb that lies"),
    ],
)
def test_anything_else_is_damaged(frame: bytes) -> None:
    with pytest.raises(Corrupt, match=r"^chunk 7: damaged, it does not decompress"):
        decompressed(frame, CHUNK_BYTES_MAX, "chunk 7")


def test_the_largest_chunk_comes_back() -> None:
    frame = zstandard.compress(bytes(CHUNK_BYTES_MAX))
    assert decompressed(frame, CHUNK_BYTES_MAX, "chunk") == bytes(CHUNK_BYTES_MAX)
