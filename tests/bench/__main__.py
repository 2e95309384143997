"""`python -m tests.bench`: measure, and print a table."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from tests.bench import catalogue, machine, python_api, report, scale
from tests.bench.backing import backing
from tests.bench.installing import install_packages
from tests.bench.peers import FromDebian
from tests.bench.rounds import Contest, Row
from tests.bench.subject import Root, Subject, may_drop_caches
from tests.bench.workload import QUICK, Sizes, Workload

Named = TypeVar("Named")

REFERENCE = "sqlfs"
TOUCHED_BYTES = 6 * 2**30
QUICK_TOUCHED_BYTES = 64 * 2**20
TABLE_COLUMNS = 132  # where the output is no terminal


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: terminated"))
    arguments = _arguments()
    if arguments.scale:
        _grow(arguments)
    elif arguments.python_api:
        _compare(arguments, python_api.SUBJECTS, python_api.WORKLOADS)
    else:
        _compare(arguments, catalogue.subjects(arguments.cache), catalogue.WORKLOADS)


def _grow(arguments: argparse.Namespace) -> None:
    curves = _chosen(
        "--workloads",
        arguments.workloads,
        {name: name for name in scale.CURVES},
        list(scale.CURVES),
    )
    with _backing(arguments) as folder:
        conditions = machine.describe(folder)
        found = scale.run(folder, scale.QUICK if arguments.quick else scale.FULL, curves)
    if arguments.json:
        document = {"machine": conditions, "curves": found}
        Path(arguments.json).write_text(json.dumps(document, indent=1) + "\n")


def _backing(arguments: argparse.Namespace) -> AbstractContextManager[Path]:
    return backing(arguments.backing, QUICK_TOUCHED_BYTES if arguments.quick else TOUCHED_BYTES)


def _compare(
    arguments: argparse.Namespace,
    subjects: Mapping[str, Subject[Root]],
    workloads: Mapping[str, type[Workload[Root]]],
) -> None:
    listed = [name for name in subjects if name not in catalogue.BY_NAME_ONLY]
    peers = _chosen("--peers", arguments.peers, subjects, listed)
    chosen = _chosen("--workloads", arguments.workloads, workloads, list(workloads))
    wanted = [subjects[REFERENCE], *(it for it in peers if it.name != REFERENCE)]
    if arguments.install:
        install_packages([it.program for it in wanted if isinstance(it, FromDebian)])
    missing = {it.name: why for it in wanted if (why := it.missing())}
    present = [it for it in wanted if it.name not in missing]
    sizes = QUICK if arguments.quick else Sizes()
    rows: list[Row] = []
    with _backing(arguments) as folder:
        conditions = report.Conditions(
            machine=machine.describe(folder),
            versions={it.name: _with_note(it) for it in present},
            missing=missing,
            rounds=arguments.rounds,
            drops_caches=may_drop_caches(),
        )
        try:
            for workload in chosen:
                rows += Contest(workload(sizes), present, folder).measure(arguments.rounds, _say)
        finally:  # whoever interrupts it sees what there is
            _report(arguments.json, conditions, rows)


def _report(file: str | None, conditions: report.Conditions, rows: Sequence[Row]) -> None:
    if file:
        document = report.as_json(conditions, rows, REFERENCE) + "\n"
        if file == "-":
            sys.stdout.write(document)
            return
        Path(file).write_text(document)
    console = Console(width=None if sys.stdout.isatty() else TABLE_COLUMNS)
    report.print_all(console, conditions, rows, REFERENCE)


def _with_note(subject: Subject[Root]) -> str:
    return f"{subject.version()} ({subject.note})" if subject.note else subject.version()


def _chosen(
    option: str, names: str | None, known: Mapping[str, Named], usual: Sequence[str]
) -> list[Named]:
    chosen = names.split(",") if names else usual
    if unknown := [name for name in chosen if name not in known]:
        raise SystemExit(f"bench: {option}: {', '.join(unknown)}: not one of {', '.join(known)}")
    return [known[name] for name in chosen]


def _say(line: str) -> None:
    print(f"bench: {line}", file=sys.stderr, flush=True)


def _rounds(text: str) -> int:
    if (rounds := int(text)) < 1:
        raise ValueError
    return rounds


def _arguments() -> argparse.Namespace:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sqlfs-bench"
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=__doc__,
        epilog=f"Subjects: {', '.join(catalogue.subjects(cache))}. "
        f"Workloads: {', '.join(catalogue.WORKLOADS)}. Of --scale: {', '.join(scale.CURVES)}.",
    )
    add = parser.add_argument
    add("--rounds", type=_rounds, default=5, metavar="N", help="of each row; 5 by default")
    add("--backing", type=Path, metavar="DIR", help="where to store; a tmpfs by default")
    add("--peers", metavar="NAME,…", help="beside sqlfs; all that are to be had by default")
    add("--workloads", metavar="NAME,…", help="all by default")
    add("--quick", action="store_true", help="little of everything: to try, not to measure")
    add("--json", metavar="FILE", help="all figures, too; - for nothing else, to standard output")
    add("--install", action="store_true", help="let apt-get install what is missing")
    add("--cache", type=Path, default=cache, metavar="DIR", help=f"for peers of PyPI; {cache}")
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--python-api", action="store_true", help="the core without FUSE")
    modes.add_argument("--scale", action="store_true", help="how sqlfs grows")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("bench: interrupted")
