"""Figures come into the page of benchmarks as they were measured."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.bench import document, plot
from tests.bench.catalogue import WORKLOADS
from tests.bench.report import Conditions, as_json
from tests.bench.rounds import Row
from tests.bench.subject import Cost

OURS = Row("create", "files/s", "sqlfs", rates=[900.0], costs=[Cost(1.5, 64 * 2**20)])
THEIRS = Row("create", "files/s", "gocryptfs", rates=[1000.0])
FAILED = Row("create", "files/s", "aloelite", failure="no room")
POINTS = [
    {"files": 1e4, "create/s": 4e3, "cold stat/s": 9.0, "warm stat/s": 9e5, "listed/s": 1e4},
    {"files": 1e5, "create/s": 5e3, "cold stat/s": 9.0, "warm stat/s": 9e5, "listed/s": 1e4},
]


@pytest.fixture
def run(tmp_path: Path) -> document.Run:
    conditions = Conditions({"cpu": "2 x a"}, {"sqlfs": "sqlfs 9"}, {}, rounds=1, drops_caches=True)
    file = tmp_path / "figures.json"
    file.write_text(as_json(conditions, [OURS, THEIRS, FAILED], "sqlfs"))
    return document.Run.of([file])


def test_rates_have_medians_ratios_costs_and_conditions(run: document.Run) -> None:
    table = document.rates(run)
    assert "| `create` | files/s | 900 | 1.50 | 64 | 1,000 (0.90) | failed |" in table
    assert "cpu 2 x a; medians of 1 alternating rounds of sqlfs." in table
    assert "sqlfs 9" in table
    assert "no room" in table


def test_a_missed_target_is_bold_and_one_without_figure_has_none(run: document.Run) -> None:
    table = document.targets(run, document.Run([]))
    assert "| `create` | **0.90** (≥ 1.0) | – (≥ 5.0) | – (≥ 3.0) |" in table
    assert "| `append-fsync` (on a disk) |" in table
    assert table.count("\n") == len(document.TARGETS) + 1


def test_targets_are_of_workloads_that_there_are() -> None:
    assert document.TARGETS.keys() <= WORKLOADS.keys()
    assert document.TARGETS.keys() >= document.ON_DISK


def test_growth_is_a_table_and_a_picture() -> None:
    old, new = (
        {"machine": {"backing": backing}, "curves": {"files": POINTS, "copy": []}}
        for backing in ("a disk", "a tmpfs")
    )
    part = document.growth([old, new])
    assert "| 10,000 | 4,000 | 9 | 900,000 | 10,000 |" in part
    assert "backing a tmpfs." in part
    assert "backing a disk" not in part
    picture = ElementTree.fromstring(plot.growth({"files": POINTS, "copy": []}))
    marks = picture.findall("{http://www.w3.org/2000/svg}circle")
    assert len(marks) == 2 * 4
    places = {(mark.get("cx"), mark.get("cy")) for mark in marks}
    assert len(places) == len(marks)


def test_the_page_has_a_part_for_everything() -> None:
    page = document.PAGE.read_text()
    for part in ("targets", "rates", "rates on a disk", "growth"):
        changed = document.written(page, part, "only this")
        assert f"<!-- {part} -->\n\nonly this\n\n<!-- end of {part} -->" in changed
        assert document.written(changed, part, "only this") == changed
    with pytest.raises(ValueError, match="no part 'nonsense'"):
        document.written(page, "nonsense", "")
