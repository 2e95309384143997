"""The harness itself: every workload can be done, and what is measured is reported."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench import catalogue, material, python_api, scale
from tests.bench.native import Native
from tests.bench.peers import FromDebian
from tests.bench.report import Conditions, as_json
from tests.bench.rounds import Contest, Row
from tests.bench.workload import QUICK, Sizes, Workload
from tests.fuse_mounts import mounts_below
from tests.project import ROOT

LITTLE = replace(QUICK, listed_files=20, tree_files=10)


def bench(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.bench", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("name", catalogue.WORKLOADS)
def test_a_workload_can_be_done(name: str, tmp_path: Path) -> None:
    if name.startswith("git") and not shutil.which("git"):
        pytest.skip("git is not installed")
    workload = catalogue.WORKLOADS[name](LITTLE)
    assert workload.name == name
    assert workload.amount > 0
    workload.prepare(tmp_path)
    workload.run(tmp_path, 0)
    if not workload.fresh:
        workload.run(tmp_path, 1)


@pytest.mark.parametrize("name", python_api.WORKLOADS)
@pytest.mark.parametrize("subject", ["sqlfs-plain", "native"])
def test_a_workload_can_be_done_without_fuse(name: str, subject: str, tmp_path: Path) -> None:
    workload = python_api.WORKLOADS[name](LITTLE)
    workload.cold = False  # type: ignore[misc]  # nobody else's caches are dropped for a test
    contest = Contest(workload, [python_api.SUBJECTS[subject]], tmp_path)
    [row] = contest.measure(1, lambda _: None)
    assert row.failure == ""
    assert row.rate > 0
    assert row.peak_bytes > 0


def test_sqlfs_and_a_directory_are_measured(fuse: None, tmp_path: Path) -> None:  # noqa: ARG001
    few = ["--workloads", "write-unique,random-write", "--peers", "native"]
    done = bench("--quick", "--rounds", "1", *few, "--backing", tmp_path, "--json", "-")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    rows = {(row["workload"], row["subject"]): row for row in document["results"]}
    assert list(rows) == [
        (workload, subject)
        for workload in ("write-unique", "random-write")
        for subject in ("sqlfs", "native")
    ]
    for (_, subject), row in rows.items():
        assert row["failure"] == ""
        assert len(row["rates"]) == 1
        assert min(row["rates"]) > 0
        assert (row["ratio"] is None) == (subject == "sqlfs")
        for cost in row["costs"]:
            assert (cost["cpu_s"] > 0) == (subject == "sqlfs")
            assert (cost["peak_bytes"] > 0) == (subject == "sqlfs")
    assert mounts_below(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_growth_is_measured(
    fuse: None,  # noqa: ARG001
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(scale, "drop_caches", lambda _: None)
    # Many files in one directory grow by the same code.
    curves = [name for name in scale.CURVES if name != "directory"]
    found = scale.run(tmp_path, replace(scale.QUICK, files=(20,), sample=10), curves)
    printed = capsys.readouterr().out
    assert list(found) == curves
    assert all(scale.CURVES[name].title in printed for name in curves)
    assert [point["files"] for point in found["files"]] == [20]
    assert [point["TiB"] for point in found["sparse"]] == [1.0]
    assert [point["MiB"] for point in found["copy"]] == [1, 2, 3, 4]
    for figure in ("create/s", "cold stat/s", "listed/s", "mount s", "peak MiB"):
        assert found["files"][0][figure] > 0
    assert list(tmp_path.iterdir()) == []


def test_a_subject_that_fails_has_a_reason_and_no_figure(tmp_path: Path) -> None:
    class Impossible(Workload[Path]):
        name = "impossible"
        unit = "files/s"
        amount = 1.0

        def run(self, root: Path, round_number: int) -> None:
            del root, round_number
            raise OSError("cannot be\ndone")

    contest = Contest(Impossible(Sizes()), [Native()], tmp_path)
    [row] = contest.measure(2, lambda _: None)
    assert row.failure == "cannot be done"
    assert row.rates == []
    assert list(tmp_path.iterdir()) == []


def test_material_of_any_size_neither_repeats_nor_changes() -> None:
    size = 40 * 2**20 + 5
    data = material.unique(size)
    assert len(data) == size
    assert len({bytes(block) for block in material.blocks(data, 4096)}) == -(-size // 4096)
    assert data[:1000] == material.unique(1000)


def test_ratios_are_of_medians() -> None:
    ours = Row("create", "files/s", "sqlfs", rates=[9.0, 1.0, 6.0])
    theirs = Row("create", "files/s", "gocryptfs", rates=[4.0, 3.0, 0.5])
    conditions = Conditions({}, {}, {}, rounds=3, drops_caches=True)
    results = json.loads(as_json(conditions, [ours, theirs], "sqlfs"))["results"]
    assert [result["ratio"] for result in results] == [None, 2.0]


def test_what_is_missing_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    debian = [it for it in catalogue.subjects(tmp_path).values() if isinstance(it, FromDebian)]
    assert len(debian) == 4
    for subject in debian:
        assert f"apt-get install {subject.program}" in str(subject.missing())


@pytest.mark.parametrize("option", ["--peers", "--workloads"])
def test_an_unknown_name_is_one_line_that_lists_the_known(option: str) -> None:
    done = bench(option, "nonsense")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "nonsense" in done.stderr
    assert "native" in done.stderr or "tar-x" in done.stderr
