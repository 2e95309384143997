"""The digest of a volume file's rows, made from ``sql/FORMAT.md`` alone."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from blake3 import blake3

_LEFT_OUT = ("lineage", "mount", "chunk_data", "delta")
_SEALED = ("volume", "counter", "node", "edge", "xattr", "atime", "reclaim")


def pack(values: Iterable[object]) -> bytes:
    """An array in MessagePack's shortest forms."""
    packed = [_pack(value) for value in values]
    count = len(packed)
    head = bytes([0x90 | count]) if count < 16 else struct.pack(">BH", 0xDC, count)
    return head + b"".join(packed)


def _pack(value: object) -> bytes:
    if isinstance(value, str):
        return _length(value.encode(), {31: 0xA0}, (0xD9, 0xDA, 0xDB))
    if isinstance(value, bytes):
        return _length(value, {}, (0xC4, 0xC5, 0xC6))
    assert isinstance(value, int)
    if -32 <= value < 128:
        return struct.pack(">b", value)
    forms = "BHIQ" if value > 0 else "bhiq"
    for number, form in enumerate(forms):
        if value < 2 ** (8 << number) if value > 0 else value >= -(2 ** ((8 << number) - 1)):
            return struct.pack(f">B{form}", (0xCC if value > 0 else 0xD0) + number, value)
    raise OverflowError(value)


def _length(raw: bytes, fixed: dict[int, int], forms: tuple[int, int, int]) -> bytes:
    for most, first in fixed.items():
        if len(raw) <= most:
            return bytes([first | len(raw)]) + raw
    for form, size in zip(forms, "BHI", strict=True):
        if len(raw) < 2 ** (8 * struct.calcsize(f">{size}")):
            return struct.pack(f">B{size}", form, len(raw)) + raw
    raise OverflowError(len(raw))


def digest_of(path: Path) -> bytes:
    """What the lineage record of a file without a log should say."""
    total = 0
    with closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as database:
        tables = database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        for (table,) in tables:
            if table in _LEFT_OUT or table.startswith("sqlite_"):
                continue
            if table in _SEALED:
                for (sealed,) in database.execute(f"SELECT sealed FROM {table}"):
                    total += int.from_bytes(sealed[:24], "little")
                continue
            for row in database.execute(f"SELECT * FROM {table}"):
                total += int.from_bytes(blake3(pack((table, *row))).digest(), "little")
    return (total % 2**256).to_bytes(32, "little")
