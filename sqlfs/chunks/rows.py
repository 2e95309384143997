"""Reading what sealed rows hold, where anybody may have written them."""

from __future__ import annotations

import struct
from typing import Any

from sqlfs.crypto import Sealer
from sqlfs.errors import Corrupt


def check_generation(sealer: Sealer, generation: int, what: str) -> None:
    """Raises Corrupt unless the row's key generation is the one that is at hand."""
    if generation != sealer.generation:
        raise Corrupt(f"{what}: sealed under key generation {generation}, which does not exist")


def unpack(fields: struct.Struct, body: bytes, what: str) -> tuple[Any, ...]:
    """Raises Corrupt when the body is of another length."""
    if len(body) != fields.size:
        raise Corrupt(f"{what}: {len(body)} bytes where {fields.size} belong")
    return fields.unpack(body)
