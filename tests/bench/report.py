"""What was measured, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby

from rich.console import Console
from rich.table import Table

from tests.bench.rounds import Row

_MIB = 2**20


@dataclass(frozen=True)
class Conditions:
    """Under which all rows were measured."""

    machine: Mapping[str, str]
    versions: Mapping[str, str]
    missing: Mapping[str, str]
    rounds: int
    drops_caches: bool


def as_json(conditions: Conditions, rows: Sequence[Row], reference: str) -> str:
    """All figures of all rounds; rates in the row's unit, `ratio` as in the table."""
    results = [
        {
            **asdict(row),
            "median": row.rate if row.rates else None,
            "ratio": _ratio(row, rows, reference),
        }
        for row in rows
    ]
    document = {"reference": reference, **asdict(conditions), "results": results}
    return json.dumps(document, indent=1)


def print_all(console: Console, conditions: Conditions, rows: Sequence[Row], ours: str) -> None:
    """The table of all rows, the summary, and what to know about both."""
    console.print(_details(rows, ours))
    console.print(_summary(rows, ours))
    for name, value in conditions.machine.items():
        console.print(f"{name}: {value}", highlight=False, markup=False)
    console.print(f"rounds: {conditions.rounds}, alternating; medians", highlight=False)
    if not conditions.drops_caches:
        console.print("cold: new mounts only; dropping the kernel's caches takes root")
    for name, version in conditions.versions.items():
        console.print(f"{name}: {version}", highlight=False, markup=False)
    for row in rows:
        if row.failure:
            said = f"{row.subject} could not do {row.workload}: {row.failure}"
            console.print(said, highlight=False, markup=False)
    for name, why in conditions.missing.items():
        console.print(f"{name} is missing: {why}", highlight=False, markup=False)


def _details(rows: Sequence[Row], ours: str) -> Table:
    table = Table(box=None, header_style="bold")
    table.add_column("workload", no_wrap=True)
    table.add_column("subject", no_wrap=True)
    for heading in ("median", "least", "most"):
        table.add_column(heading, justify="right")
    table.add_column("unit", no_wrap=True)
    for heading in (f"{ours} / it", "CPU s", "peak MiB"):
        table.add_column(heading, justify="right", no_wrap=True)
    for workload, group in groupby(rows, lambda row: row.workload):
        for row in group:
            cells = _cells(row, _ratio(row, rows, ours))
            table.add_row(workload, row.subject, *cells)
        table.add_section()
    return table


def _cells(row: Row, ratio: float | None) -> list[str]:
    if not row.rates:
        return ["failed"]
    rates = [_figure(rate) for rate in (row.rate, min(row.rates), max(row.rates))]
    costs = [f"{row.cpu_s:.2f}", f"{row.peak_bytes / _MIB:.0f}"] if row.peak_bytes else []
    return [*rates, row.unit, "" if ratio is None else f"{ratio:.2f}", *costs]


def _summary(rows: Sequence[Row], ours: str) -> Table:
    """Ratios alone: a line for each workload, a column for each other subject."""
    others = list(dict.fromkeys(row.subject for row in rows if row.subject != ours))
    table = Table(f"{ours} / it", box=None, header_style="bold")
    for name in others:
        table.add_column(name, justify="right")
    for workload, group in groupby(rows, lambda row: row.workload):
        ratios = {row.subject: _ratio(row, rows, ours) for row in group}
        cells = ("-" if (it := ratios.get(name)) is None else f"{it:.2f}" for name in others)
        table.add_row(workload, *cells)
    return table


def _ratio(row: Row, rows: Iterable[Row], reference: str) -> float | None:
    """How many times as fast the reference is, by medians."""
    for other in rows:
        if other.workload == row.workload and other.subject == reference != row.subject:
            return other.rate / row.rate if other.rates and row.rates else None
    return None


def _figure(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 100 else f"{rate:.3g}"
