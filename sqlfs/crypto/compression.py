"""Compressing a body before it is sealed; bounded when it is read."""

from __future__ import annotations

from typing import Final

import zstandard

from sqlfs.crypto.framing import What, name_of
from sqlfs.errors import Corrupt
from sqlfs.limits import COMPRESSION_MAX

# From the middle: beginnings are often headers, which compress where what follows does not.
_SAMPLE_BYTES: Final = 4 * 1024


class Compressor:
    """At `level`, 1 .. 19.  For one thread at a time."""

    def __init__(self, level: int) -> None:
        assert 1 <= level <= COMPRESSION_MAX
        self._zstd = zstandard.ZstdCompressor(level=level, write_checksum=False)

    def compressed(self, body: bytes) -> bytes | None:
        """A zstd frame of `body`; None where it does not save an eighth.

        Of what does not, 4 KiB tell (4 us; text takes 1 ms for 256 KiB)."""
        if len(body) > 2 * _SAMPLE_BYTES:
            middle = len(body) // 2
            sample = body[middle : middle + _SAMPLE_BYTES]
            if not _saves(self._zstd.compress(sample), sample):
                return None
        frame = self._zstd.compress(body)
        return frame if _saves(frame, body) else None


def _saves(frame: bytes, body: bytes) -> bool:
    return len(frame) <= len(body) - len(body) // 8


def decompressed(frame: bytes, bytes_max: int, what: What) -> bytes:
    """What `frame`, one zstd frame that states its length, was made of.

    Raises Corrupt, before memory is taken where that length is above `bytes_max`."""
    try:
        length = zstandard.get_frame_parameters(frame).content_size
        if length <= bytes_max:
            plain = zstandard.ZstdDecompressor().decompress(frame, allow_extra_data=False)
            if len(plain) == length:
                return plain
    except zstandard.ZstdError:
        pass
    raise Corrupt(f"{name_of(what)}: damaged, it does not decompress; restore it from a copy")
