"""Keys and unsealing, written from ``sql/FORMAT.md`` alone: nothing of ``sqlfs`` is used."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import zstandard
from argon2.low_level import Type, hash_secret_raw
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

NODE, NAME, XATTR, CHUNK, MANIFEST, VOLUME = range(1, 7)
COUNTER, KEY_SLOT, RECLAIM, ATIME, MOUNT, DELTA = range(7, 13)
SEGMENT = 16384

Aad = Sequence[bytes | int]


class Damaged(Exception):
    """The bytes are not what the format says they must be."""


def require(sound: bool, what: str) -> None:
    if not sound:
        raise Damaged(what)


def derive(name: str, material: bytes) -> bytes:
    return blake3(material, derive_key_context="sqlfs v1 " + name).digest()


def keyed(key: bytes, message: bytes, length: int) -> bytes:
    return blake3(message, key=key).digest(length)


def encode(elements: Aad) -> bytes:
    parts = [bytes([len(elements)])]
    for element in elements:
        if isinstance(element, bytes):
            parts.append(struct.pack("<BI", 0, len(element)) + element)
        else:
            parts.append(struct.pack("<BIq", 1, 8, element))
    return b"".join(parts)


def padme(length: int) -> int:
    if length < 2:
        return length
    exponent = length.bit_length() - 1
    unit = 1 << (exponent - exponent.bit_length())
    return (length + unit - 1) // unit * unit


def frame_length(purpose: int, body_length: int) -> int:
    """On an encrypted volume."""
    if purpose == NAME:
        return (5 + body_length + 31) // 32 * 32
    if purpose in (CHUNK, MANIFEST):
        return max(32, 5 + padme(body_length))
    return max(32, padme(5 + body_length))


def decompressed(stored: bytes, bytes_max: int) -> bytes:
    size = zstandard.get_frame_parameters(stored).content_size
    require(size <= bytes_max, "size of what was compressed")
    return zstandard.ZstdDecompressor().decompress(stored)


def decompressed_chunk(stored: bytes, sealed: int, suite: int) -> bytes:
    plain = decompressed(stored, 2**22)
    frame = frame_length(CHUNK, len(plain)) if suite == 1 else 5 + len(plain)
    segments = max(1, -(-(frame - 5) // SEGMENT))
    tags = 16 * segments if suite == 1 or segments > 1 else 0
    require(sealed < 24 + frame + tags, "a chunk that is no shorter compressed")
    return plain


@dataclass(frozen=True)
class Keys:
    """All that derives from a master key: sealing keys of one generation, id keys of another."""

    suite: int
    generation: int
    siv: bytes
    enc: bytes
    chunk_id: bytes
    manifest_id: bytes
    name_tag: bytes
    xattr_tag: bytes

    @classmethod
    def of(cls, master: bytes, generation: int, id_generation: int, suite: int = 1) -> Keys:
        sealing = master + struct.pack("<Q", generation)
        ids = master + struct.pack("<Q", id_generation)
        return cls(
            suite,
            generation,
            *(derive(name, sealing) for name in ("siv", "enc")),
            *(derive(name, ids) for name in ("chunk id", "manifest id", "name tag", "xattr tag")),
        )

    @classmethod
    def plain(cls) -> Keys:
        return cls.of(derive("plain", b""), 0, 0, suite=0)

    def context(self, purpose: int, aad: Aad) -> bytes:
        return struct.pack("<BBQ", self.suite, purpose, self.generation) + encode(aad)

    def stream(self, siv: bytes) -> tuple[bytes, bytes]:
        """Cipher key and nonce."""
        stream = keyed(self.enc, siv, 44)
        return stream[:32], stream[32:]

    def open_row(self, purpose: int, aad: Aad, generation: int, sealed: bytes) -> bytes:
        """The body of a row that says under which key generation it is sealed."""
        require(generation == self.generation, "key generation")
        return self.open(purpose, aad, sealed)

    def open(self, purpose: int, aad: Aad, sealed: bytes) -> bytes:
        """The body."""
        require(len(sealed) >= 29, "length")
        context = self.context(purpose, aad)
        siv, rest = sealed[:24], sealed[24:]
        frame = b"".join(self._segments(context, siv, rest))
        require(keyed(self.siv, context + frame, 24) == siv, "synthetic iv")
        codec, length = struct.unpack_from("<BI", frame)
        require(codec == 0 or (codec == 1 and purpose in (CHUNK, NODE)), "codec")
        padded = frame_length(purpose, length) if self.suite == 1 else 5 + length
        require(len(frame) == padded, "length of the frame")
        require(not any(frame[5 + length :]), "padding")
        stored = frame[5 : 5 + length]
        if codec == 0:
            return stored
        if purpose == NODE:
            return decompressed(stored, 2**13)
        return decompressed_chunk(stored, len(sealed), self.suite)

    def _segments(self, context: bytes, siv: bytes, rest: bytes) -> Iterator[bytes]:
        """The frame's segments, opened."""
        if self.suite == 0 and len(rest) <= 5 + SEGMENT:
            yield rest
            return
        key, nonce = self.stream(siv)
        count = max(1, -(-(len(rest) - 5) // (SEGMENT + 16)))
        for number in range(count):
            first = number * (SEGMENT + 16) + (5 if number else 0)
            piece = rest[first : (number + 1) * (SEGMENT + 16) + 5]
            require(len(piece) > 16, "length of the last segment")
            bound = context + (struct.pack("<II", number, count) if count > 1 else b"")
            if self.suite == 0:
                tag = keyed(self.siv, siv + bound + piece[:-16], 16)
                require(tag == piece[-16:], "digest of a segment")
                yield piece[:-16]
            else:
                mixed = int.from_bytes(nonce, "little") ^ number
                cipher = ChaCha20Poly1305(key)
                yield cipher.decrypt(mixed.to_bytes(12, "little"), piece, bound)


@dataclass(frozen=True)
class Slot:
    """A row of ``key_slot``."""

    slot: int
    generation: int
    memory_kib: int
    passes: int
    lanes: int
    salt: bytes
    commitment: bytes
    wrapped: bytes

    def derived(self, passphrase: bytes) -> tuple[bytes, bytes]:
        """Wrapping key and commitment key."""
        both = hash_secret_raw(
            passphrase, self.salt, self.passes, self.memory_kib, self.lanes, 64, Type.ID, 0x13
        )
        return both[:32], both[32:]

    def commitment_message(self, uuid: bytes) -> bytes:
        costs = (self.memory_kib, self.passes, self.lanes)
        return encode((b"sqlfs v1 commitment", uuid, self.slot, self.generation, self.salt, *costs))

    def master(self, passphrase: bytes, uuid: bytes) -> bytes:
        wrapping_key, commitment_key = self.derived(passphrase)
        commitment = keyed(commitment_key, self.commitment_message(uuid), 32)
        require(commitment == self.commitment, "wrong passphrase")
        keys = Keys.of(wrapping_key, self.generation, self.generation)
        return keys.open(KEY_SLOT, (uuid, self.slot), self.wrapped)
