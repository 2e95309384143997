"""Sealing written a second time, straight from the format's description and for reading only.

It shares nothing with ``sqlfs.crypto`` but the primitives, and Argon2id not even that: two
implementations that agree on the vectors are how the format is kept from drifting.
"""

from __future__ import annotations

from collections.abc import Sequence

from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

NAME, CHUNK, MANIFEST, KEY_SLOT = 2, 4, 5, 8
SEGMENT = 16384


def unsigned(value: int, size: int) -> bytes:
    return value.to_bytes(size, "little")


def derive(context: str, material: bytes) -> bytes:
    return blake3(material, derive_key_context=f"sqlfs v1 {context}").digest()


def keyed(key: bytes, message: bytes, length: int) -> bytes:
    return blake3(message, key=key).digest(length)


def encode(elements: Sequence[bytes | int]) -> bytes:
    encoded = unsigned(len(elements), 1)
    for element in elements:
        if isinstance(element, int):
            value = element.to_bytes(8, "little", signed=True)
            encoded += b"\1" + unsigned(8, 4) + value
        else:
            encoded += b"\0" + unsigned(len(element), 4) + element
    return encoded


def padme(length: int) -> int:
    exponent = length.bit_length() - 1
    if exponent < 1:
        return length
    kept_bits = exponent.bit_length()
    step = 1 << (exponent - kept_bits)
    return -(-length // step) * step


def framed_length(purpose: int, body_length: int) -> int:
    if purpose == NAME:
        return -(-(5 + body_length) // 32) * 32
    if purpose in (CHUNK, MANIFEST):
        return max(32, 5 + padme(body_length))
    return max(32, padme(5 + body_length))


def frame(body: bytes, codec: int = 0, length: int | None = None) -> bytes:
    return unsigned(codec, 1) + unsigned(len(body) if length is None else length, 4) + body


def seal_frame(
    master: bytes | None, generation: int, purpose: int, aad: Sequence[bytes | int], framed: bytes
) -> bytes:
    """`master` of None is a plain volume."""
    suite = 0 if master is None else 1
    material = (derive("plain", b"") if master is None else master) + unsigned(generation, 8)
    head = unsigned(suite, 1) + unsigned(purpose, 1) + unsigned(generation, 8)
    context = head + encode(aad)
    siv_key = derive("siv", material)
    siv = keyed(siv_key, context + framed, 24)
    stream = keyed(derive("enc", material), siv, 44)
    pieces = segments(framed)
    sealed = siv
    for number, piece in enumerate(pieces):
        place = unsigned(number, 4) + unsigned(len(pieces), 4) if len(pieces) > 1 else b""
        if master is not None:
            nonce = bytes(a ^ b for a, b in zip(stream[32:], unsigned(number, 12), strict=True))
            sealed += ChaCha20Poly1305(stream[:32]).encrypt(nonce, piece, context + place)
        elif place:
            sealed += piece + keyed(siv_key, siv + context + place + piece, 16)
        else:
            sealed += piece
    return sealed


def segments(framed: bytes) -> list[bytes]:
    first, rest = framed[: 5 + SEGMENT], framed[5 + SEGMENT :]
    return [first, *(rest[at : at + SEGMENT] for at in range(0, len(rest), SEGMENT))]


def seal(
    master: bytes | None, generation: int, purpose: int, aad: Sequence[bytes | int], body: bytes
) -> bytes:
    framed = frame(body)
    if master is not None:
        framed = framed.ljust(framed_length(purpose, len(body)), b"\0")
    return seal_frame(master, generation, purpose, aad, framed)


def identify(
    master: bytes | None, id_generation: int, kind: str, node: int | None, body: bytes
) -> bytes:
    """`kind` is one of "chunk id", "manifest id", "name tag", "xattr tag"."""
    material = (derive("plain", b"") if master is None else master) + unsigned(id_generation, 8)
    if node is None:
        return keyed(derive(kind, material), body, 32)
    return keyed(derive(kind, material), node.to_bytes(8, "little", signed=True) + body, 16)


def kek(passphrase: bytes, salt: bytes, memory_kib: int, passes: int, lanes: int) -> bytes:
    kdf = Argon2id(salt=salt, length=64, iterations=passes, lanes=lanes, memory_cost=memory_kib)
    return kdf.derive(passphrase)


def commitment(
    kek_: bytes, uuid: bytes, slot: int, generation: int, salt: bytes, costs: tuple[int, int, int]
) -> bytes:
    bound = (b"sqlfs v1 commitment", uuid, slot, generation, salt, *costs)
    return keyed(kek_[32:], encode(bound), 32)


def wrap(kek_: bytes, uuid: bytes, slot: int, generation: int, master: bytes) -> bytes:
    return seal(kek_[:32], generation, KEY_SLOT, (uuid, slot), master)
