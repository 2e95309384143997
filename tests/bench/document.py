"""`python -m tests.bench.document`: figures from files of --json into sqlfs/BENCHMARKS.md.

Of that page, what stands between the two marks of a part is written anew; the rest is not touched.
Figures are as they were measured: nothing is left out but what failed, which has no figure.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from tests.bench import plot, scale

PAGE = Path(__file__).resolve().parents[2] / "sqlfs" / "BENCHMARKS.md"
PICTURE = PAGE.with_name("growth.svg")

# How many times as fast as others sqlfs is to be: gocryptfs, aloelite, S3QL.
COMPARED = ("gocryptfs", "aloelite", "s3ql")
TARGETS = {
    "write-unique": (1.5, 3.0, 1.0),
    "read-cold": (1.3, 10.0, 1.3),
    "random-read-cold": (1.0, 10.0, 1.5),
    "random-write": (0.7, 30.0, 1.0),
    "random-write-fsync": (0.7, 30.0, 1.0),
    "append-fsync": (0.7, 1.5, 1.5),
    "write-4k-calls": (1.0, 1.5, 1.0),
    "create": (1.0, 5.0, 3.0),
    "stat-cold": (1.0, 2.0, 2.0),
    "stat-warm": (1.0, 2.0, 2.0),
    "read-small-cold": (1.0, 3.0, 2.0),
    "rename": (0.8, 4.0, 3.0),
    "unlink": (0.8, 4.0, 3.0),
    "tar-x": (1.0, 5.0, 2.0),
    "rm-rf": (0.8, 4.0, 3.0),
}
# Measured on a disk: without one they say nothing.
ON_DISK = frozenset({"append-fsync"})

_MIB = 2**20
Result = Mapping[str, Any]  # a row of --json


@dataclass(frozen=True)
class Run:
    """What one or several files of --json hold of one backing directory."""

    documents: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, files: Iterable[Path]) -> Run:
        return cls([json.loads(file.read_text()) for file in files])

    @property
    def results(self) -> list[Result]:
        return [result for document in self.documents for result in document["results"]]

    @property
    def subjects(self) -> list[str]:
        return list(dict.fromkeys(result["subject"] for result in self.results))

    @property
    def workloads(self) -> list[str]:
        return list(dict.fromkeys(result["workload"] for result in self.results))

    def result(self, workload: str, subject: str) -> Result | None:
        """The last that was measured."""
        found = [
            it for it in self.results if (it["workload"], it["subject"]) == (workload, subject)
        ]
        return found[-1] if found else None

    def conditions(self) -> Iterator[str]:
        """Lines of prose: on what, when, and against what."""
        for document in self.documents:
            names = ", ".join(document["versions"])
            rounds = document["rounds"]
            yield f"{_place(document)}; medians of {rounds} alternating rounds of {names}."
        versions = {
            name: it for document in self.documents for name, it in document["versions"].items()
        }
        yield "Versions: " + "; ".join(versions.values()) + "."
        for result in self.results:
            if result["failure"]:
                words = result["failure"]
                yield f"{result['subject']} could not do `{result['workload']}`: {words}."


def _place(document: Mapping[str, Any]) -> str:
    machine = ", ".join(f"{name} {value}" for name, value in document["machine"].items())
    return f"Measured on: {machine}"


def rates(run: Run) -> str:
    """The part with all figures of `run`: medians, and in brackets the ratios of sqlfs to each."""
    ours, *others = sorted(run.subjects, key=lambda name: name != "sqlfs")
    heading = ["workload", "unit", ours, "CPU s", "peak MiB", *others]
    rows = [list(_rate_cells(run, workload, ours, others)) for workload in run.workloads]
    return _table(heading, rows) + "\n\n" + "\n".join(run.conditions())


def _rate_cells(run: Run, workload: str, ours: str, others: Iterable[str]) -> Iterator[str]:
    own = run.result(workload, ours)
    yield f"`{workload}`"
    yield own["unit"] if own else ""
    yield _rate(own)
    costs = own["costs"] if own else []
    yield f"{sorted(it['cpu_s'] for it in costs)[len(costs) // 2]:.2f}" if costs else ""
    yield f"{max(it['peak_bytes'] for it in costs) / _MIB:.0f}" if costs else ""
    for name in others:
        result = run.result(workload, name)
        ratio = result["ratio"] if result else None
        yield _rate(result) + (f" ({ratio:.2f})" if ratio is not None else "")


def _rate(result: Result | None) -> str:
    if result is None:
        return ""
    return "failed" if result["median"] is None else _figure(result["median"])


def targets(memory: Run, disk: Run) -> str:
    """The part that holds ratios against targets; one that is missed is in bold type."""
    heading = ["workload", *(f"{name}: ratio (target)" for name in COMPARED)]
    rows = []
    for workload, wanted in TARGETS.items():
        run = disk if workload in ON_DISK else memory
        cells = [
            _against(run.result(workload, name), target)
            for name, target in zip(COMPARED, wanted, strict=True)
        ]
        rows.append([f"`{workload}`" + (" (on a disk)" if run is disk else ""), *cells])
    return _table(heading, rows)


def _against(result: Result | None, target: float) -> str:
    ratio = result["ratio"] if result else None
    if ratio is None:
        return f"– (≥ {target})"
    shown = f"{ratio:.2f}" if ratio >= target else f"**{ratio:.2f}**"
    return f"{shown} (≥ {target})"


def growth(documents: Iterable[Mapping[str, Any]]) -> str:
    """The part with the picture, and a table for each curve, as it was measured last."""
    parts = [f"![rates by number of files]({PICTURE.name})"]
    for name, (points, document) in _curves(documents).items():
        rows = [[_figure(value) for value in point.values()] for point in points]
        title = f"{scale.CURVES[name].title[0].upper()}{scale.CURVES[name].title[1:]}"
        parts += [f"{title}:", _table(list(points[0]), rows), f"{_place(document)}."]
    return "\n\n".join(parts)


def _curves(
    documents: Iterable[Mapping[str, Any]],
) -> dict[str, tuple[Sequence[scale.Point], Mapping[str, Any]]]:
    return {
        name: (points, document)
        for document in documents
        for name, points in document["curves"].items()
        if points
    }


def written(page: str, part: str, text: str) -> str:
    """`page` with `text` between the marks of `part`.  Raises ValueError if it has none."""
    marks = f"<!-- {part} -->", f"<!-- end of {part} -->"
    found = re.compile(re.escape(marks[0]) + ".*?" + re.escape(marks[1]), re.DOTALL)
    if not found.search(page):
        raise ValueError(f"{PAGE.name} has no part {part!r}")
    return found.sub(lambda _: f"{marks[0]}\n\n{text}\n\n{marks[1]}", page)


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Words to the left, figures to the right."""
    rule = ["---", *("---:" for _ in heading[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in chain((heading, rule), rows))


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.document", description=__doc__)
    several: dict[str, Any] = {"type": Path, "nargs": "+", "default": [], "metavar": "FILE"}
    parser.add_argument("--memory", **several, help="on a tmpfs")
    parser.add_argument("--disk", **several, help="with --backing on a disk")
    parser.add_argument("--growth", **several, help="with --scale")
    arguments = parser.parse_args()
    page = PAGE.read_text()
    memory, disk = Run.of(arguments.memory), Run.of(arguments.disk)
    if memory.documents:
        page = written(page, "rates", rates(memory))
        page = written(page, "targets", targets(memory, disk))
    if disk.documents:
        page = written(page, "rates on a disk", rates(disk))
    if arguments.growth:
        found = [json.loads(file.read_text()) for file in arguments.growth]
        page = written(page, "growth", growth(found))
        curves = {name: points for name, (points, _) in _curves(found).items()}
        PICTURE.write_text(plot.growth(curves))
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
