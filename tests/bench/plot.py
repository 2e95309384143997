"""Curves of growth as a picture: SVG of its own making."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from math import ceil, floor, log10

from tests.bench.scale import Point

WIDTH, HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 210, 40, 50  # margins

_COLOURS = {
    "warm stat/s": "#7b4fa0",
    "listed/s": "#2a7f62",
    "cold stat/s": "#c0561f",
    "create/s": "#1f5fa8",
}
_DASHES = {"files": "", "directory": "6 4"}
_MEANING = {"files": "in directories of 1,000", "directory": "in one directory"}


class _Axis:
    """Logarithmic, from a power of ten to another, over pixels `start` to `end`."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self.first, last = floor(log10(min(values))), ceil(log10(max(values)))
        self.last = max(last, self.first + 1)
        self._start, self._scale = start, (end - start) / (self.last - self.first)

    def at(self, value: float) -> float:
        return self._start + (log10(value) - self.first) * self._scale

    def ticks(self) -> Iterator[tuple[float, str]]:
        for power in range(self.first, self.last + 1):
            yield self.at(10**power), f"{10**power:,}"


def growth(curves: Mapping[str, Sequence[Point]]) -> str:
    """Rates over the number of files, both logarithmic: a level line is one that does not fall.

    Of `curves`, as :func:`tests.bench.scale.run` returns them, those over files are drawn.
    """
    drawn = {name: curves[name] for name in _DASHES if curves.get(name)}
    points = [point for curve in drawn.values() for point in curve]
    rates = [point[rate] for point in points for rate in _COLOURS if point[rate] > 0]
    x = _Axis([point["files"] for point in points], _LEFT, WIDTH - _RIGHT)
    y = _Axis(rates, HEIGHT - _BOTTOM, _TOP)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(_LEFT, _TOP - 16, "per second, by number of files"),
        *_grid(x, y),
    ]
    for name, curve in drawn.items():
        for rate, colour in _COLOURS.items():
            lines += _curve([(x.at(it["files"]), y.at(it[rate])) for it in curve], colour, name)
    return "\n".join([*lines, *_legend(list(drawn)), "</svg>", ""])


def _grid(x: _Axis, y: _Axis) -> Iterator[str]:
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM
    for at, label in x.ticks():
        yield _line(at, _TOP, at, bottom, "#dddddd")
        yield _text(at, bottom + 20, label, "middle")
    for at, label in y.ticks():
        yield _line(_LEFT, at, right, at, "#dddddd")
        yield _text(_LEFT - 8, at + 4, label, "end")


def _curve(places: Sequence[tuple[float, float]], colour: str, name: str) -> Iterator[str]:
    for start, end in pairwise(places):
        yield _line(*start, *end, colour, _DASHES[name])
    for across, down in places:
        yield f'<circle cx="{across:.1f}" cy="{down:.1f}" r="3" fill="{colour}"/>'


def _legend(names: Sequence[str]) -> Iterator[str]:
    across = WIDTH - _RIGHT + 16
    entries = [(rate.removesuffix("/s"), colour, "") for rate, colour in _COLOURS.items()]
    entries += [(_MEANING[name], "#444444", _DASHES[name]) for name in names]
    for place, (label, colour, dashes) in enumerate(entries):
        down = _TOP + 12 + 22 * place
        yield _line(across, down - 4, across + 26, down - 4, colour, dashes)
        yield _text(across + 34, down, label)


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, dashes: str = "") -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    width = 1 if colour == "#dddddd" else 2
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
        f' stroke="{colour}" stroke-width="{width}"{dashed}/>'
    )


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#222222">{words}</text>'
