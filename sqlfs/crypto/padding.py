"""How many zeros hide the exact length of a body."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from sqlfs.crypto.purpose import Purpose

FRAME_HEADER_BYTES: Final = 5  # codec, body length
FRAMED_BYTES_MIN: Final = 32
_NAME_STEP: Final = 32


def padme(length: int) -> int:
    """The Padmé length for `length` >= 0 bytes.

    At most 12 % more, less for long ones; a length of n bits keeps only about log2(n) of them.
    Powers of two, and 0, stay as they are.
    """
    if length < 2:
        return length
    exponent = length.bit_length() - 1
    mask = (1 << (exponent - exponent.bit_length())) - 1
    return (length + mask) & ~mask


@lru_cache(maxsize=1024)
def padding(purpose: Purpose, length: int) -> int:
    """How many zeros follow a body of `length` bytes on an encrypted volume.

    With the frame's header of 5 bytes, a frame is 5 + `length` + padding bytes long:

    - NAME: the next multiple of 32;
    - CHUNK, MANIFEST: 5 + padme(`length`), and 32 at least.  The body is padded without its
      header, so that one whose length is a power of two >= 32 (a full chunk) gets no padding;
    - any other: padme(5 + `length`), and 32 at least.
    """
    framed = FRAME_HEADER_BYTES + length
    if purpose == Purpose.NAME:
        return -framed % _NAME_STEP
    if purpose in (Purpose.CHUNK, Purpose.MANIFEST):
        return max(FRAME_HEADER_BYTES + padme(length), FRAMED_BYTES_MIN) - framed
    return max(padme(framed), FRAMED_BYTES_MIN) - framed
