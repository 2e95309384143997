"""What points at stored content, and the canonical bytes of a manifest.

A manifest of level 1 lists chunks, one of level n manifests of level n - 1; entry i of a
manifest covers the same number of bytes as every other one, so offsets need no search.
Entries at the end that are holes are left out: a tree has one form only, and its root's
digest is the digest of the content.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from sqlfs.errors import Corrupt
from sqlfs.limits import MANIFEST_FANOUT, MANIFEST_LEVEL_MAX

_VERSION = 1
_HEAD = struct.Struct("<BBH")
_ENTRY = struct.Struct("<BQ32s")
_HOLE = _ENTRY.pack(0, 0, bytes(32))
_DATA_FLAG = 1


class Reference(NamedTuple):
    """A stored piece: a chunk (level 0) or a manifest.  ``length``: bytes of data beneath it,
    holes not counted."""

    level: int
    length: int
    digest: bytes


Entries = Sequence[Reference | None]  # None is a hole


def encode_manifest(level: int, entries: Entries) -> bytes:
    """The canonical form.  `entries` neither is empty nor ends in a hole."""
    assert entries[-1] is not None
    assert len(entries) <= MANIFEST_FANOUT
    parts = [_HEAD.pack(_VERSION, level, len(entries))]
    for entry in entries:
        if entry is None:
            parts.append(_HOLE)
        else:
            assert entry.level == level - 1
            parts.append(_ENTRY.pack(_DATA_FLAG, entry.length, entry.digest))
    return b"".join(parts)


def decode_manifest(body: bytes, level: int, what: str) -> tuple[Reference | None, ...]:
    """Raises Corrupt for anything but the canonical form of a manifest of `level`."""
    if len(body) < _HEAD.size:
        raise Corrupt(f"{what}: manifest too short")
    version, found, count = _HEAD.unpack_from(body)
    if version != _VERSION or found != level or not 1 <= level <= MANIFEST_LEVEL_MAX:
        raise Corrupt(f"{what}: not a manifest of level {level}")
    if not 1 <= count <= MANIFEST_FANOUT or len(body) != _HEAD.size + count * _ENTRY.size:
        raise Corrupt(f"{what}: manifest of a wrong length")
    entries: list[Reference | None] = []
    for flags, length, digest in _ENTRY.iter_unpack(body[_HEAD.size :]):
        if flags == _DATA_FLAG:
            entries.append(Reference(level - 1, length, digest))
        elif flags == 0 and length == 0 and not any(digest):
            entries.append(None)
        else:
            raise Corrupt(f"{what}: manifest entry with unknown flags")
    if entries[-1] is None:
        raise Corrupt(f"{what}: manifest ends in a hole")
    return tuple(entries)
