"""``sql/FORMAT.md`` taken apart: its worked examples, its tables, its sections."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "sql" / "FORMAT.md"

_BLOCK = re.compile(r"^```example (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_GIVEN = re.compile(r"given (.+?)  +(.+)")
_PIECE = re.compile(r"(step|bytes) +(\d+)  (.+?)  +([0-9a-f]+)")
_MORE = re.compile(r" +([0-9a-f]+)")
_TOTAL = re.compile(r"Total: (\d+) bytes")


@dataclass
class Piece:
    name: str
    length: int  # as it is claimed
    hex: str

    @property
    def value(self) -> bytes:
        return bytes.fromhex(self.hex)


@dataclass
class Example:
    given: dict[str, str] = field(default_factory=dict)
    steps: list[Piece] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)  # of the result
    total: int = -1

    def number(self, name: str) -> int:
        value = self.given[name]
        octal = value.removesuffix(" (octal)")
        return int(octal, 8) if octal != value else int(value)

    def raw(self, name: str) -> bytes:
        """Bytes given as hex, as text in quotes, or as ``count x byte``."""
        value = self.given[name]
        if value.startswith('"'):
            return value.strip('"').encode()
        count, cross, byte = value.partition(" x ")
        return bytes.fromhex(byte) * int(count) if cross else bytes.fromhex(value)

    def step(self, name: str) -> bytes:
        (found,) = (piece.value for piece in self.steps if piece.name == name)
        return found

    @property
    def result(self) -> bytes:
        return b"".join(piece.value for piece in self.pieces)


@cache
def text() -> str:
    return DOCUMENT.read_text("utf-8")


def examples() -> dict[str, Example]:
    return {name: parse(block) for name, block in _BLOCK.findall(text())}


def parse(block: str) -> Example:
    """Raises ValueError for a line that is none of an example's."""
    example = Example()
    last: Piece | None = None
    for line in block.splitlines():
        if given := _GIVEN.fullmatch(line):
            example.given[given[1]] = given[2]
        elif piece := _PIECE.fullmatch(line):
            last = Piece(piece[3], int(piece[2]), piece[4])
            (example.steps if piece[1] == "step" else example.pieces).append(last)
        elif (more := _MORE.fullmatch(line)) and last is not None:
            last.hex += more[1]
        elif total := _TOTAL.fullmatch(line):
            example.total = int(total[1])
        else:
            raise ValueError(f"not a line of an example: {line!r}")
    return example


def section(heading: str) -> str:
    """What stands below a heading, to the next one of its level or above."""
    level = heading.index(" ")
    _, found, rest = f"\n{text()}".partition(f"\n{heading}\n")
    assert found, heading
    return re.split(rf"^#{{1,{level}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def table_rows(part: str) -> list[list[str]]:
    """The cells of every row of the tables in a part of the document."""
    lines = (line for line in part.splitlines() if line.startswith("|"))
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
