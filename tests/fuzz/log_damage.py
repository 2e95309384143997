"""Damage to a log that lies beside its file.

The layout is SQLite's: https://sqlite.org/fileformat2.html#the_write_ahead_log
"""

from __future__ import annotations

import random
import struct
from typing import Final

from tests.fuzz import bytes_damage
from tests.fuzz.bytes_damage import Damage
from tests.fuzz.specimens import PAGE

_HEADER: Final = 32
_STRIDE: Final = 24 + PAGE


def flip_bits_of_a_frame_head(chance: random.Random, data: bytearray) -> str:
    at = _frame(chance, data) + chance.randrange(24)
    data[at] ^= 1 << chance.randrange(8)
    return f"a bit flipped at {at} of the log, in the head of a frame"


def edit_log_header(chance: random.Random, data: bytearray) -> str:
    at = 4 * chance.randrange(8)
    value = chance.choice((0, 1, 0x377F0682, 0x377F0683, 0xFFFFFFFF, chance.randrange(2**32)))
    struct.pack_into(">I", data, at, value)
    return f"the log's header field at {at} is {value}"


def swap_frames(chance: random.Random, data: bytearray) -> str:
    one, other = _frame(chance, data), _frame(chance, data)
    data[one : one + _STRIDE], data[other : other + _STRIDE] = (
        data[other : other + _STRIDE],
        data[one : one + _STRIDE],
    )
    return f"frames at {one} and {other} of the log swapped"


def repeat_frames(chance: random.Random, data: bytearray) -> str:
    one = _frame(chance, data)
    data += data[one:]
    return f"frames from {one} on repeated at the log's end"


def cut_frames(chance: random.Random, data: bytearray) -> str:
    at = _frame(chance, data)
    del data[at:]
    return f"the log cut at {at}"


def leave_frames_out(chance: random.Random, data: bytearray) -> str:
    at = _frame(chance, data)
    del data[at : at + _STRIDE * chance.choice((1, 2, 9))]
    return f"frames at {at} left out of the log"


def absurd_page_number(chance: random.Random, data: bytearray) -> str:
    """With sums that are right, as whoever knows the format makes them."""
    at = _frame(chance, data)
    value = chance.choice((0, 1, 3, 2**31, 2**32 - 1))
    struct.pack_into(">I", data, at + chance.choice((0, 4)), value)
    sum_up(data)
    return f"the frame at {at} of the log is of page {value}"


def flip_and_sum_up(chance: random.Random, data: bytearray) -> str:
    what = flip_in_a_page(chance, data)
    sum_up(data)
    return f"{what}, and sums made anew"


def flip_in_a_page(chance: random.Random, data: bytearray) -> str:
    at = _frame(chance, data) + 24 + chance.randrange(PAGE)
    data[at] ^= 1 << chance.randrange(8)
    return f"a bit flipped at {at} of the log"


def sum_up(data: bytearray) -> None:
    """Make every checksum right: https://sqlite.org/fileformat2.html#checksum_algorithm"""
    order = ">" if data[3] & 1 else "<"
    first, second = _sum(data[:24], (0, 0), order)
    struct.pack_into(">II", data, 24, first, second)
    for at in range(_HEADER, len(data) - _STRIDE + 1, _STRIDE):
        sums = _sum(data[at : at + 8], (first, second), order)
        first, second = _sum(data[at + 24 : at + _STRIDE], sums, order)
        struct.pack_into(">II", data, at + 16, first, second)


def _sum(data: bytearray, sums: tuple[int, int], order: str) -> tuple[int, int]:
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second


# What leaves the log with right sums may make any state; what does not is cut off by SQLite.
SUMMED: Final[tuple[Damage, ...]] = (absurd_page_number, flip_and_sum_up)
ANY: Final[tuple[Damage, ...]] = (flip_bits_of_a_frame_head, edit_log_header, swap_frames,
    repeat_frames, cut_frames, leave_frames_out, flip_in_a_page, bytes_damage.truncate,
    bytes_damage.extend, bytes_damage.overwrite, *SUMMED)  # fmt: skip


def _frame(chance: random.Random, data: bytearray) -> int:
    return _HEADER + chance.randrange((len(data) - _HEADER) // _STRIDE) * _STRIDE
