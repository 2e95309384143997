"""The one primitive that everything stored passes through.

An encrypted thing is ``siv || ChaCha20-Poly1305(frame)``.  The synthetic iv is a keyed digest of
the context (suite, purpose, key generation, AAD) and of the exact frame that is encrypted, and
cipher key and nonce derive from it.  So a keystream serves one plaintext only, whatever happens
to ids and counters when a volume file is copied and both copies go on.

On a plain volume the same digest, under a key that everybody can derive, stands before the bare
frame: accidents and swapped rows are found there too, forgeries are not.

A long frame is cut into segments, see :mod:`sqlfs.crypto.segments`.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from hmac import compare_digest
from typing import ClassVar, Final

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from sqlfs.crypto.compression import decompressed
from sqlfs.crypto.framing import What, encode_aad, frame_header, name_of, unframe
from sqlfs.crypto.padding import FRAME_HEADER_BYTES, padding
from sqlfs.crypto.purpose import Codec, Purpose, Suite
from sqlfs.crypto.segments import (
    SEGMENT_BYTES,
    SIV_BYTES,
    TAG_BYTES,
    BadTag,
    CipheredSegments,
    DigestedSegments,
    Segments,
    count_for,
    count_in,
    open_all,
    place,
    seal_all,
    sealed_bytes,
)
from sqlfs.errors import Corrupt, Invalid, SqlfsError
from sqlfs.limits import CHUNK_BYTES_MAX, NODE_BYTES_MAX

MASTER_BYTES: Final = 32
_KEY_BYTES: Final = 32
_STREAM_BYTES: Final = _KEY_BYTES + 12  # cipher key, nonce
_ID_BYTES: Final = 32
_ROW_TAG_BYTES: Final = 16

# A longer piece has several segments.
_ONE_SEGMENT_BYTES_MAX: Final = SIV_BYTES + FRAME_HEADER_BYTES + SEGMENT_BYTES + TAG_BYTES

_NO_CODEC: Final = (0,)
_CODECS: Final = tuple(map(int, Codec))

# The only ones that may be compressed, and how long they are at most before that.
_COMPRESSED: Final = {Purpose.CHUNK: CHUNK_BYTES_MAX, Purpose.NODE: NODE_BYTES_MAX}

_HEAD: Final = struct.Struct("<BBQ")  # suite, purpose, key generation
_GENERATION: Final = struct.Struct("<Q")
_pack_node = struct.Struct("<q").pack

Body = bytes | bytearray | memoryview


def _derive(purpose: str, material: bytes) -> bytes:
    return blake3(material, derive_key_context=f"sqlfs v1 {purpose}").digest()


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Sealer:
    """Seals and opens under the keys of one generation.  Immutable; any thread may use it.

    ``generation``: the key generation, 0 on a plain volume.  ``encrypted``: false for the null
    cipher.  ``OVERHEAD``: bytes that :meth:`seal` adds to one segment besides padding (16 fewer
    when plain).
    """

    OVERHEAD: ClassVar[int] = SIV_BYTES + FRAME_HEADER_BYTES + TAG_BYTES

    generation: int
    encrypted: bool
    _heads: tuple[bytes, ...]  # by purpose
    _siv_key: bytes
    _cipher_key: bytes
    _chunk_key: bytes
    _manifest_key: bytes
    _name_key: bytes
    _xattr_key: bytes

    @classmethod
    def plain(cls) -> Sealer:
        """The sealer of every plain volume: null cipher, public keys, generation 0."""
        return cls._make(Suite.PLAIN, _derive("plain", b""), 0, 0)

    @classmethod
    def from_master(
        cls, master: bytes, generation: int, id_generation: int | None = None
    ) -> Sealer:
        """The sealer of an encrypted volume, from its 32-byte master key.

        `generation` >= 0 keys the sealing, `id_generation` (by default the same) the ids and
        tags, which outlive a change of key.  Raises Invalid when one is out of bounds.
        """
        if len(master) != MASTER_BYTES:
            raise Invalid(f"a master key has {MASTER_BYTES} bytes, not {len(master)}")
        ids = generation if id_generation is None else id_generation
        if not (0 <= generation < 2**63 and 0 <= ids < 2**63):
            raise Invalid(f"key generations {generation} and {ids}: not both within 0 .. 2^63-1")
        return cls._make(Suite.CHACHA20_POLY1305, master, generation, ids)

    @classmethod
    def _make(cls, suite: Suite, master: bytes, generation: int, id_generation: int) -> Sealer:
        sealing = master + _GENERATION.pack(generation)
        ids = master + _GENERATION.pack(id_generation)
        return cls(
            generation=generation,
            encrypted=suite is not Suite.PLAIN,
            _heads=tuple(_HEAD.pack(suite, p, generation) for p in range(max(Purpose) + 1)),
            _siv_key=_derive("siv", sealing),
            _cipher_key=_derive("enc", sealing),
            _chunk_key=_derive("chunk id", ids),
            _manifest_key=_derive("manifest id", ids),
            _name_key=_derive("name tag", ids),
            _xattr_key=_derive("xattr tag", ids),
        )

    def __repr__(self) -> str:
        kind = "encrypted" if self.encrypted else "plain"
        return f"<Sealer {kind}, generation {self.generation}>"

    def seal(
        self,
        purpose: Purpose,
        aad: Sequence[bytes | int],
        body: Body,
        codec: Codec = Codec.NONE,
    ) -> bytes:
        """Make the bytes that are stored for `body`, which only open under the same `aad`.

        Deterministic.  `body` is contiguous bytes, below 4 GiB, compressed already where `codec`
        says so.  Encrypted it is padded, see :func:`sqlfs.crypto.padding.padding`.  Raises
        TooBig, and Invalid for `aad` that :func:`sqlfs.crypto.framing.encode_aad` refuses.
        """
        context = self._heads[purpose] + encode_aad(aad)
        header = frame_header(len(body), codec)
        zeros = padding(purpose, len(body)) if self.encrypted else 0
        if len(body) + zeros > SEGMENT_BYTES:
            digest = blake3(context + header, key=self._siv_key)
            siv = digest.update(body).update(bytes(zeros)).digest(SIV_BYTES)
            segments = self._segments(context, siv, count_for(len(body) + zeros))
            return seal_all(segments, siv, header, body, zeros)
        framed = b"".join((header, body, bytes(zeros)))
        # In one piece: of two, the second is hashed a block at a time.
        siv = blake3(context + framed, key=self._siv_key).digest(SIV_BYTES)
        if not self.encrypted:
            return siv + framed
        stream = blake3(siv, key=self._cipher_key).digest(_STREAM_BYTES)
        cipher, nonce = ChaCha20Poly1305(stream[:_KEY_BYTES]), stream[_KEY_BYTES:]
        return siv + cipher.encrypt(nonce, framed, context)

    def open(
        self, purpose: Purpose, aad: Sequence[bytes | int], sealed: bytes, what: What
    ) -> bytes:
        """Return the body that `sealed` was made from under the same purpose and `aad`.

        `what` names the thing in an error; a callable is only called for one.  Raises Corrupt
        when `sealed` is anything else, UnsupportedFormat when its codec is unknown.
        """
        context = self._heads[purpose] + encode_aad(aad)
        # SQLite hands out text or NULL where the type in a record's header was hit.
        if not isinstance(sealed, bytes) or len(sealed) < SIV_BYTES + FRAME_HEADER_BYTES:
            raise Corrupt(f"{name_of(what)}: damaged, cut short; restore it from a copy")
        if len(sealed) > _ONE_SEGMENT_BYTES_MAX:
            return _body(self._open_long(context, sealed, what), 0, purpose, what)
        siv, rest = sealed[:SIV_BYTES], sealed[SIV_BYTES:]
        if self.encrypted:
            stream = blake3(siv, key=self._cipher_key).digest(_STREAM_BYTES)
            cipher = ChaCha20Poly1305(stream[:_KEY_BYTES])
            try:
                framed, start = cipher.decrypt(stream[_KEY_BYTES:], rest, context), 0
            except InvalidTag:
                raise _damaged(what) from None
        else:
            digest = blake3(context, key=self._siv_key).update(rest).digest(SIV_BYTES)
            if not compare_digest(digest, siv):
                raise _damaged(what)
            framed, start = sealed, SIV_BYTES
        return _body(framed, start, purpose, what)

    def _open_long(self, context: bytes, sealed: bytes, what: What) -> bytes:
        segments = self._segments(context, sealed[:SIV_BYTES], count_in(len(sealed)))
        try:
            return open_all(segments, sealed)
        except BadTag:
            raise _damaged(what) from None

    # --- parts of long pieces ---

    def long_bytes(self, purpose: Purpose, length: int) -> int:
        """What a body of `length` bytes takes when it is sealed, in several segments; 0 where it
        has one."""
        if self.encrypted:
            length += padding(purpose, length)
        return sealed_bytes(length) if length > SEGMENT_BYTES else 0

    def segments(
        self, purpose: Purpose, aad: Sequence[bytes | int], siv: bytes, sealed: int
    ) -> Segments:
        """The segments of a long piece of `sealed` bytes in all, of which the first are `siv`."""
        return self._segments(self._heads[purpose] + encode_aad(aad), siv, count_in(sealed))

    def _segments(self, context: bytes, siv: bytes, count: int) -> Segments:
        if not self.encrypted:
            return DigestedSegments(context, count, self._siv_key, siv)
        stream = blake3(siv, key=self._cipher_key).digest(_STREAM_BYTES)
        return CipheredSegments(context, count, stream[:_KEY_BYTES], stream[_KEY_BYTES:])

    def body_unverified(self, sealed: bytes) -> bytes | None:
        """What `sealed` says without an AAD, if anything: nothing vouches for it.

        Only for making the id from it under which it may be found, and then :meth:`open` it.
        """
        is_long = len(sealed) > _ONE_SEGMENT_BYTES_MAX
        segments = self._segments(b"", sealed[:SIV_BYTES], count_in(len(sealed)))
        tag_bytes = TAG_BYTES if self.encrypted or is_long else 0
        framed = b""
        for number in range(segments.count):
            piece = sealed[place(number) : place(number + 1)]
            framed += segments.unverified(number, piece[: len(piece) - tag_bytes])
        try:
            return _body(framed, 0, Purpose.CHUNK, "piece")
        except SqlfsError:
            return None

    def chunk_id(self, body: Body) -> bytes:
        """The 32-byte keyed digest of a chunk's plaintext."""
        return blake3(body, key=self._chunk_key).digest(_ID_BYTES)

    def manifest_id(self, body: Body) -> bytes:
        """The 32-byte keyed digest of a manifest's plaintext."""
        return blake3(body, key=self._manifest_key).digest(_ID_BYTES)

    def name_tag(self, parent: int, name: bytes) -> bytes:
        """The 16-byte keyed digest that finds `name` in directory `parent`."""
        return blake3(_pack_node(parent) + name, key=self._name_key).digest(_ROW_TAG_BYTES)

    def xattr_tag(self, node: int, name: bytes) -> bytes:
        """The 16-byte keyed digest that finds the extended attribute `name` of `node`."""
        return blake3(_pack_node(node) + name, key=self._xattr_key).digest(_ROW_TAG_BYTES)


def _body(framed: bytes, start: int, purpose: Purpose, what: What) -> bytes:
    codecs = _CODECS if purpose in _COMPRESSED else _NO_CODEC
    codec, body = unframe(framed, start, codecs, what)
    return decompressed(body, _COMPRESSED[purpose], what) if codec else body


def _damaged(what: What) -> Corrupt:
    return Corrupt(f"{name_of(what)}: damaged, or not where it belongs; restore it from a copy")
