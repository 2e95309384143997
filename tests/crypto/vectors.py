"""Makes ``vectors.json`` from the reference: ``python -m tests.crypto.vectors``.

The file is written once per format version.  A vector that changes is a format that changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.crypto import reference

PATH = Path(__file__).with_name("vectors.json")
MASTER = bytes(range(32))
OTHER = bytes(range(100, 132))
UUID = bytes(range(200, 216))
DIGEST = bytes(range(50, 82))

NOTES = {
    "bytes": "hexadecimal; a long body is {byte, count}",
    "master": "null for a plain volume",
    "aad": "a number is an integer element, a string a bytes element",
    "sealed": "hexadecimal, or {length, sha256} where it is long",
    "result": "valid: seals to `sealed` and opens to `body`; corrupt, unsupported: must not open",
}

Aad = Sequence[bytes | int]


def _aad(aad: Aad) -> list[int | str]:
    return [element if isinstance(element, int) else element.hex() for element in aad]


def _sealing(
    comment: str,
    purpose: int,
    aad: Aad,
    body: bytes,
    master: bytes | None = MASTER,
    generation: int = 1,
) -> dict[str, Any]:
    sealed = reference.seal(master, generation, purpose, aad, body)
    long = len(body) > 256
    return {
        "comment": comment,
        "master": master.hex() if master else None,
        "generation": generation,
        "purpose": purpose,
        "aad": _aad(aad),
        "body": {"byte": body[0], "count": len(body)} if long else body.hex(),
        "sealed": {"length": len(sealed), "sha256": hashlib.sha256(sealed).hexdigest()}
        if long
        else sealed.hex(),
        "result": "valid",
    }


def _broken(comment: str, result: str, framed: bytes, master: bytes | None) -> dict[str, Any]:
    generation = 0 if master is None else 1
    return {
        "comment": comment,
        "master": master.hex() if master else None,
        "generation": generation,
        "purpose": 1,
        "aad": [1, 7],
        "sealed": reference.seal_frame(master, generation, 1, (1, 7), framed).hex(),
        "result": result,
    }


def _sealings() -> list[dict[str, Any]]:
    tests = [
        _sealing("an empty body, no associated data", 1, (), b""),
        _sealing("a name", 2, (1, 42), b"hello.txt"),
        _sealing("a name that fills its 32 bytes", 2, (1, 42), b"n" * 27),
        _sealing("a name one byte longer", 2, (1, 42), b"n" * 28),
        _sealing("an extended attribute", 3, (1, 42, b"\xff" * 16), b"user.mime\0image/png"),
        _sealing("the least and the greatest integer", 1, (-(2**63), 2**63 - 1), b"x"),
        _sealing("another generation", 1, (1, 42), b"attributes" * 10, generation=2),
        _sealing("another master key", 1, (1, 42), b"attributes" * 10, OTHER),
        _sealing("a short chunk", 4, (1, DIGEST), b"short"),
        _sealing("a full chunk gets no padding", 4, (1, DIGEST), b"A" * 4096),
        _sealing("a chunk that is not full", 4, (1, DIGEST), b"B" * 4097),
        _sealing("a chunk that fills a segment", 4, (1, DIGEST), b"F" * 16384),
        _sealing("a chunk of one byte more", 4, (1, DIGEST), b"G" * 16385),
        _sealing("a chunk of segments and padding", 4, (1, DIGEST), b"H" * 524_289),
        _sealing("an attribute with its padding beyond a segment", 3, (1, b"tag"), b"I" * 16380),
        _sealing("a full chunk of 64 KiB", 4, (1, DIGEST), b"C" * 65536),
        _sealing("a long body of another purpose", 3, (1, 42, b"tag"), b"D" * 65536),
        _sealing("a plain row", 1, (1, 42), b"attributes", None, 0),
        _sealing("a plain name", 2, (1, 42), b"hello.txt", None, 0),
        _sealing("a plain chunk that fills a segment", 4, (1, DIGEST), b"F" * 16384, None, 0),
        _sealing("a plain chunk of one byte more", 4, (1, DIGEST), b"G" * 16385, None, 0),
        _sealing("a plain chunk", 4, (1, DIGEST), b"E" * 65536, None, 0),
    ]
    tests += [_sealing(f"purpose {p}", p, (1, 7), b"body") for p in range(1, 12)]
    return tests


def _broken_frames() -> list[dict[str, Any]]:
    frame = reference.frame
    return [
        _broken(f"{kind}: {comment}", result, framed, master)
        for kind, master in (("encrypted", MASTER), ("plain", None))
        for comment, result, framed in (
            ("a codec from the future", "unsupported", frame(b"x" * 27, codec=2)),
            ("a body longer than its frame", "corrupt", frame(b"x" * 27, length=28)),
            ("the greatest length", "corrupt", frame(b"x" * 27, length=2**32 - 1)),
            ("padding that is not zero", "corrupt", frame(b"x" * 27, length=26)),
            ("a frame shorter than its header", "corrupt", b"\0\0\0\0"),
            ("no frame", "corrupt", b""),
        )
    ]


def _ids() -> list[dict[str, Any]]:
    cases: list[tuple[str, int | None, bytes]] = [
        ("chunk id", None, b""),
        ("chunk id", None, b"a chunk"),
        ("manifest id", None, b"a manifest"),
        ("name tag", 42, b"hello.txt"),
        ("xattr tag", 42, b"user.mime"),
    ]
    return [
        {
            "master": master.hex() if master else None,
            "id_generation": generation,
            "kind": kind,
            "node": node,
            "body": body.hex(),
            "id": reference.identify(master, generation, kind, node, body).hex(),
        }
        for master, generation in ((MASTER, 1), (MASTER, 2), (OTHER, 1), (None, 0))
        for kind, node, body in cases
    ]


def _slot(passphrase: bytes, costs: tuple[int, int, int], slot: int) -> dict[str, Any]:
    salt = bytes(range(150, 182))
    kek = reference.kek(passphrase, salt, *costs)
    return {
        "passphrase": passphrase.hex(),
        "salt": salt.hex(),
        "memory_kib": costs[0],
        "passes": costs[1],
        "lanes": costs[2],
        "volume_uuid": UUID.hex(),
        "slot": slot,
        "generation": 3,
        "kek": kek.hex(),
        "commitment": reference.commitment(kek, UUID, slot, 3, salt, costs).hex(),
        "wrapped": reference.wrap(kek, UUID, slot, 3, MASTER).hex(),
        "master": MASTER.hex(),
    }


def _numbered(tests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"id": number, **test} for number, test in enumerate(tests, 1)]


def make() -> dict[str, Any]:
    """All vectors, as ``vectors.json`` holds them."""
    lengths = [*range(70), 127, 128, 129, 1000, 4091, 4095, 4096, 4097, 100_000, 262_144]
    return {
        "format": 1,
        "notes": NOTES,
        "sealing": _numbered(_sealings() + _broken_frames()),
        "ids": _numbered(_ids()),
        "slots": _numbered(
            [
                _slot(b"correct horse", (64, 2, 4), 0),
                _slot("pässword ☂".encode(), (8, 1, 1), 31),
                _slot(b"", (8, 1, 1), 1),
            ]
        ),
        "padme": [[length, reference.padme(length)] for length in lengths],
    }


if __name__ == "__main__":
    PATH.write_text(json.dumps(make(), indent=1) + "\n")
