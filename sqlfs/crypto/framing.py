"""The byte forms inside sealing: what is authenticated beside a body, and what is encrypted."""

from __future__ import annotations

import struct
from collections.abc import Callable, Container, Sequence
from typing import Final

from sqlfs.crypto.padding import FRAME_HEADER_BYTES
from sqlfs.crypto.purpose import Codec
from sqlfs.errors import Corrupt, Invalid, TooBig, UnsupportedFormat

# What an error names; a callable is only called for one.
What = str | Callable[[], str]

_HEADER: Final = struct.Struct("<BI")  # codec, body length
_BYTES_ELEMENT: Final = struct.Struct("<BI")  # kind, length
_INT_ELEMENT: Final = struct.Struct("<BIq")  # kind, length, value
_BYTES_KIND: Final = 0
_INT_KIND: Final = 1
_INT_BYTES: Final = 8
_COUNTS: Final = tuple(bytes((count,)) for count in range(256))
_CODEC_NONE: Final = int(Codec.NONE)

assert _HEADER.size == FRAME_HEADER_BYTES

_pack_header = _HEADER.pack
_unpack_header = _HEADER.unpack_from
_pack_bytes = _BYTES_ELEMENT.pack
_pack_int = _INT_ELEMENT.pack


def name_of(what: What) -> str:
    return what if isinstance(what, str) else what()


def encode_aad(elements: Sequence[bytes | int]) -> bytes:
    """An injective encoding: no two sequences share their bytes, and none is another's prefix.

    Count u8, then per element: kind u8 (0 bytes, 1 integer), length u32 LE, value; an integer's
    value is i64 LE.  Raises Invalid above 255 elements or for an integer beyond 64 bits.
    """
    try:
        encoded = _COUNTS[len(elements)]
        for element in elements:
            if isinstance(element, int):
                encoded += _pack_int(_INT_KIND, _INT_BYTES, element)
            else:
                encoded += _pack_bytes(_BYTES_KIND, len(element)) + element
    except (IndexError, struct.error) as error:
        raise Invalid(f"associated data that has no encoding: {error}") from None
    return encoded


def frame_header(length: int, codec: int = _CODEC_NONE) -> bytes:
    """The 5 bytes before a body of `length` bytes.  Raises TooBig from 4 GiB on."""
    try:
        return _pack_header(codec, length)
    except struct.error:
        raise TooBig(f"a piece of {length} bytes is too long to seal: cut it below 4 GiB") from None


def unframe(framed: bytes, start: int, codecs: Container[int], what: What) -> tuple[int, bytes]:
    """Codec and body of the frame that is `framed` from `start` on.

    Raises UnsupportedFormat for an unknown codec, Corrupt when the frame is not well formed.
    """
    try:
        codec, body_length = _unpack_header(framed, start)
    except struct.error:
        raise Corrupt(
            f"{name_of(what)}: damaged, its frame is cut short; restore it from a copy"
        ) from None
    if codec not in codecs:
        raise UnsupportedFormat(
            f"{name_of(what)}: its codec {codec} is unknown to this version; use a newer one"
        )
    body_start = start + FRAME_HEADER_BYTES
    body_end = body_start + body_length
    rest = len(framed) - body_end
    # A body longer than its frame makes `rest` negative, which no count is.
    if rest and framed.count(0, body_end) != rest:
        raise Corrupt(f"{name_of(what)}: damaged, not a body and zeros; restore it from a copy")
    return codec, framed[body_start:body_end]
