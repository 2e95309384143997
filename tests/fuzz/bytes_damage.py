"""Damage that knows nothing of SQLite, or only of its pages."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import Any, Final

from sqlfs.store.lineage import LINEAGE_PAGE, RECORD_BYTES, Lineage
from tests.fuzz.specimens import PAGE

Damage = Callable[[random.Random, bytearray], str]
_ABSURD: Final = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


def flip_bits(chance: random.Random, data: bytearray) -> str:
    places = [chance.randrange(len(data)) for _ in range(chance.choice((1, 1, 1, 2, 8, 64)))]
    for at in places:
        data[at] ^= 1 << chance.randrange(8)
    return f"bits flipped at {places[:8]}"


def flip_bits_of_a_page_head(chance: random.Random, data: bytearray) -> str:
    """Where SQLite keeps the kind of a page, its cells and their places."""
    page = chance.randrange(_pages(data))
    at = page * PAGE + chance.randrange(40) + (100 if page == 0 else 0)
    data[at] ^= 1 << chance.randrange(8)
    return f"a bit flipped at {at}, in the head of page {page + 1}"


def overwrite(chance: random.Random, data: bytearray) -> str:
    length = chance.choice((1, 2, 4, 8, 64, 512, PAGE))
    at = chance.randrange(max(1, len(data) - length))
    fill = chance.choice((bytes(length), b"\xff" * length, chance.randbytes(length)))
    data[at : at + length] = fill
    return f"{length} bytes at {at} overwritten"


def swap_pages(chance: random.Random, data: bytearray) -> str:
    one, other = _page(chance, data), _page(chance, data)
    data[one : one + PAGE], data[other : other + PAGE] = (
        data[other : other + PAGE],
        data[one : one + PAGE],
    )
    return f"pages at {one} and {other} swapped"


def copy_page(chance: random.Random, data: bytearray) -> str:
    one, other = _page(chance, data), _page(chance, data)
    data[other : other + PAGE] = data[one : one + PAGE]
    return f"the page at {one} copied over that at {other}"


def zero_page(chance: random.Random, data: bytearray) -> str:
    at = _page(chance, data)
    data[at : at + PAGE] = bytes(PAGE)
    return f"the page at {at} zeroed"


def truncate(chance: random.Random, data: bytearray) -> str:
    length = chance.randrange(len(data))
    if chance.random() < 0.5:
        length -= length % PAGE
    del data[length:]
    return f"truncated to {length}"


def extend(chance: random.Random, data: bytearray) -> str:
    length = chance.choice((1, 511, PAGE, 3 * PAGE + 1))
    more = chance.choice((bytes(length), chance.randbytes(length), bytes(data[-length:])))
    data += more
    return f"{length} bytes longer"


def edit_header(chance: random.Random, data: bytearray) -> str:
    """A field of SQLite's header, also the format's version and the application's id."""
    at, form = chance.choice((
        (16, ">H"), (18, ">B"), (19, ">B"), (20, ">B"), (21, ">B"), (24, ">I"), (28, ">I"),
        (32, ">I"), (36, ">I"), (40, ">I"), (44, ">I"), (48, ">I"), (52, ">I"), (56, ">I"),
        (60, ">I"), (64, ">I"), (68, ">I"), (92, ">I"), (96, ">I"),
    ))  # fmt: skip
    limit = (1 << 8 * struct.calcsize(form)) - 1
    value = chance.choice((*(it for it in _ABSURD if it <= limit), chance.randrange(limit + 1)))
    struct.pack_into(form, data, at, value)
    if chance.random() < 0.5:  # the number of changes goes with the number of pages
        data[92:96] = data[24:28]
    return f"header field at {at} is {value}"


def edit_lineage(chance: random.Random, data: bytearray) -> str:
    """The record is not keyed: whoever knows the format can write one."""
    at = LINEAGE_PAGE * PAGE - RECORD_BYTES
    record = Lineage.decode(bytes(data[at : at + RECORD_BYTES]))
    assert record is not None
    changes: dict[str, Any] = {
        "generation": chance.choice((0, 1, 2**63, 2**64 - 1)),
        "id": chance.randbytes(16),
        "base": chance.randbytes(16),
        "marked": not record.marked,
        "written_ns": chance.choice((0, -(2**63), 2**63 - 1)),
        "digest": chance.randbytes(32),
    }
    name = chance.choice(sorted(changes))
    data[at : at + RECORD_BYTES] = record._replace(**{name: changes[name]}).encode()
    return f"another {name} in the lineage record"


def mix_with_older(older: bytes) -> Damage:
    """Pages as another file of the same shape has them."""

    def damage(chance: random.Random, data: bytearray) -> str:
        pages = min(len(older), len(data)) // PAGE
        chosen = {chance.randrange(pages) * PAGE for _ in range(chance.choice((1, 2, 8)))}
        for at in chosen:
            data[at : at + PAGE] = older[at : at + PAGE]
        return f"pages at {sorted(chosen)} of another file"

    return damage


ANY: Final[tuple[Damage, ...]] = (flip_bits, flip_bits_of_a_page_head, overwrite, swap_pages,
    copy_page, zero_page, truncate, extend, edit_header, edit_lineage)  # fmt: skip


def _pages(data: bytearray) -> int:
    return len(data) // PAGE


def _page(chance: random.Random, data: bytearray) -> int:
    return chance.randrange(_pages(data)) * PAGE
