"""Long pieces are sealed in segments, so that a part is read, and verified, without the rest.

Segment 0 holds the frame's header and the first bytes behind it, every later one the bytes that
follow.  So a segment begins at a multiple of :data:`SEGMENT_BYTES` of the body.  Number and count
are authenticated: none is swapped, doubled, left out, or taken from another piece.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from hmac import compare_digest
from io import BytesIO
from typing import Final

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from sqlfs.crypto.padding import FRAME_HEADER_BYTES

SIV_BYTES: Final = 24
TAG_BYTES: Final = 16
# Measured with 256 KiB: 8 KiB cost 20 % more time than 16 to encrypt, 32 KiB 11 % less; to open
# one takes 3, 5 and 10 us.
SEGMENT_BYTES: Final = 16 * 1024

_STRIDE: Final = SEGMENT_BYTES + TAG_BYTES
_START: Final = SIV_BYTES + FRAME_HEADER_BYTES
_NONCE_BYTES: Final = 12
_FIRST_BLOCK: Final = (1).to_bytes(4, "little")
_pack_place = struct.Struct("<II").pack  # number, count

Bytes = bytes | bytearray | memoryview


class BadTag(Exception):
    """Segment ``number`` is not what was sealed.  Never leaves this package's callers unnamed."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def built(size: int, fill: Callable[[memoryview], None]) -> bytes:
    """`size` bytes as `fill` makes them out of zeros, without copying them.

    BytesIO alone builds bytes in place: it hands over its buffer when no view of it is left.
    """
    out = BytesIO()
    if size:
        out.seek(size - 1)
        out.write(b"\0")
        with out.getbuffer() as place:
            fill(place)
    return out.getvalue()


def count_for(length: int) -> int:
    """Segments of a frame with `length` bytes behind its header."""
    return max(1, -(-length // SEGMENT_BYTES))


def sealed_bytes(length: int) -> int:
    """What a frame with `length` bytes behind its header takes, sealed in several segments."""
    return _START + length + count_for(length) * TAG_BYTES


def count_in(sealed: int) -> int:
    """Segments of a piece of `sealed` bytes; 1 where they are too few for several."""
    return max(1, -(-(sealed - _START) // _STRIDE))


def place(number: int) -> int:
    """Where segment `number` begins in the sealed piece.  It ends where the next one would
    begin, the last one with the piece."""
    return _START + number * _STRIDE if number else SIV_BYTES


class CipheredSegments:
    """Those of an encrypted piece: one key for all, a nonce for each."""

    __slots__ = ("_cipher", "_context", "_key", "_nonce", "count")

    def __init__(self, context: bytes, count: int, key: bytes, nonce: bytes) -> None:
        self.count = count
        self._context = context
        self._key = key
        self._cipher = ChaCha20Poly1305(key)
        self._nonce = int.from_bytes(nonce, "little")

    def _at(self, number: int) -> tuple[bytes, bytes]:
        nonce = (self._nonce ^ number).to_bytes(_NONCE_BYTES, "little")
        return nonce, self._context + _pack_place(number, self.count)

    def seal_into(self, number: int, plain: Bytes, out: memoryview) -> None:
        """Fill `out`, which is longer than `plain` by a tag."""
        nonce, bound = self._at(number)
        self._cipher.encrypt_into(nonce, plain, bound, out)

    def open(self, number: int, sealed: Bytes) -> bytes:
        """Raises BadTag."""
        nonce, bound = self._at(number)
        try:
            return self._cipher.decrypt(nonce, sealed, bound)
        except InvalidTag:
            raise BadTag(number) from None

    def open_into(self, number: int, sealed: Bytes, out: memoryview) -> None:
        """Fill `out`, which is shorter than `sealed` by a tag.  Raises BadTag."""
        nonce, bound = self._at(number)
        try:
            self._cipher.decrypt_into(nonce, sealed, bound, out)
        except InvalidTag:
            raise BadTag(number) from None

    def unverified(self, number: int, sealed: Bytes) -> bytes:
        """What a segment without its tag says, for which nothing vouches."""
        nonce, _ = self._at(number)
        # RFC 8439: block 0 of the keystream is the authenticator's.
        cipher = Cipher(ChaCha20(self._key, _FIRST_BLOCK + nonce), mode=None)
        return cipher.decryptor().update(sealed)


class DigestedSegments:
    """Those of a plain piece: as they are, a digest behind each.  The siv in it ties them
    together."""

    __slots__ = ("_bound", "_key", "count")

    def __init__(self, context: bytes, count: int, key: bytes, siv: bytes) -> None:
        self.count = count
        self._key = key
        self._bound = siv + context

    def _tag(self, number: int, plain: Bytes) -> bytes:
        digest = blake3(self._bound + _pack_place(number, self.count), key=self._key)
        return digest.update(plain).digest(TAG_BYTES)

    def seal_into(self, number: int, plain: Bytes, out: memoryview) -> None:
        """Fill `out`, which is longer than `plain` by a tag."""
        out[:-TAG_BYTES] = plain
        out[-TAG_BYTES:] = self._tag(number, plain)

    def open(self, number: int, sealed: Bytes) -> bytes:
        """Raises BadTag."""
        plain = memoryview(sealed)[:-TAG_BYTES]
        if not compare_digest(self._tag(number, plain), sealed[-TAG_BYTES:]):
            raise BadTag(number)
        return bytes(plain)

    def open_into(self, number: int, sealed: Bytes, out: memoryview) -> None:
        """Fill `out`, which is shorter than `sealed` by a tag.  Raises BadTag."""
        out[:] = memoryview(sealed)[:-TAG_BYTES]
        # What is verified is what was copied.
        if not compare_digest(self._tag(number, out), sealed[-TAG_BYTES:]):
            raise BadTag(number)

    def unverified(self, number: int, sealed: Bytes) -> bytes:
        """What a segment without its tag says, for which nothing vouches."""
        del number
        return bytes(sealed)


Segments = CipheredSegments | DigestedSegments


def seal_all(segments: Segments, siv: bytes, header: bytes, body: Bytes, padding: int) -> bytes:
    """The sealed piece: `siv` and all segments of the frame."""
    view = memoryview(body)
    last = segments.count - 1

    def fill(out: memoryview) -> None:
        out[:SIV_BYTES] = siv
        for number in range(segments.count):
            start = number * SEGMENT_BYTES
            plain: Bytes = view[start : start + SEGMENT_BYTES]
            if len(plain) < SEGMENT_BYTES:
                length = min(SEGMENT_BYTES, len(view) + padding - start)
                plain = bytes(plain).ljust(length, b"\0")
            if number == 0:
                plain = header + plain
            end = place(number + 1) if number < last else len(out)
            segments.seal_into(number, plain, out[place(number) : end])

    return built(sealed_bytes(len(view) + padding), fill)


def body_length(number: int, piece: Bytes) -> int:
    """How many bytes of the body, with its padding, stand in segment `number`."""
    return len(piece) - TAG_BYTES - (0 if number else FRAME_HEADER_BYTES)


def open_body(segments: Segments, number: int, piece: Bytes) -> bytes:
    """These bytes.  Raises BadTag."""
    plain = segments.open(number, piece)
    return plain if number else plain[FRAME_HEADER_BYTES:]


def open_run(segments: Segments, first: int, sealed: memoryview, out: memoryview) -> None:
    """Fill `out` with the bytes of the body in consecutive segments from `first` on, of which none
    is shorter than the others.  Raises BadTag."""
    number, at = first, 0
    for start in range(0, len(out), SEGMENT_BYTES):
        into = out[start : start + SEGMENT_BYTES]
        if number:
            segments.open_into(number, sealed[at : at + _STRIDE], into)
        else:
            at = FRAME_HEADER_BYTES
            frame = segments.open(0, sealed[: at + _STRIDE])
            into[:] = memoryview(frame)[FRAME_HEADER_BYTES:]
        number += 1
        at += _STRIDE


def open_all(segments: Segments, sealed: bytes) -> bytes:
    """The frame.  Raises BadTag."""
    if len(sealed) <= place(segments.count - 1) + TAG_BYTES:
        raise BadTag(segments.count - 1)
    view = memoryview(sealed)

    def fill(out: memoryview) -> None:
        start = 0
        for number in range(segments.count):
            piece = view[place(number) : place(number + 1)]
            end = start + len(piece) - TAG_BYTES
            segments.open_into(number, piece, out[start:end])
            start = end

    return built(len(sealed) - SIV_BYTES - segments.count * TAG_BYTES, fill)
