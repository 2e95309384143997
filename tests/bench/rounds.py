"""Measuring: rounds that go through all subjects in turn, so that whatever else the machine
does meets all of them."""

from __future__ import annotations

import gc
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Generic

from tests.bench.processes import DaemonFailed
from tests.bench.subject import Cost, Root, Subject, drop_caches
from tests.bench.workload import Workload

Say = Callable[[str], None]


@dataclass
class Row:
    """A workload on one subject: a rate and a cost for each round, or why there are none."""

    workload: str
    unit: str
    subject: str
    rates: list[float] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)
    failure: str = ""

    @property
    def rate(self) -> float:
        return median(self.rates)

    @property
    def cpu_s(self) -> float:
        return median(cost.cpu_s for cost in self.costs)

    @property
    def peak_bytes(self) -> int:
        return max(cost.peak_bytes for cost in self.costs)


class Contest(Generic[Root]):
    """One workload and those that it is measured on, in folders below `backing`."""

    def __init__(
        self, workload: Workload[Root], subjects: Sequence[Subject[Root]], backing: Path
    ) -> None:
        self._workload = workload
        self._backing = backing
        self._rows = {
            subject: Row(workload.name, workload.unit, subject.name) for subject in subjects
        }

    def measure(self, rounds: int, say: Say) -> list[Row]:
        """Everybody's row, in their order.  Nothing is left in the backing folder."""
        try:
            for number in range(rounds):
                for subject in self._turns(number):
                    if not self._rows[subject].failure:
                        what = f"{self._workload.name}, round {number + 1} of {rounds}"
                        say(f"{what}: {subject.name}")
                        self._attempt(subject, number)
        finally:
            for subject in self._rows:
                self._discard(subject)
        return list(self._rows.values())

    def _turns(self, number: int) -> list[Subject[Root]]:
        """Another one begins each time."""
        subjects = list(self._rows)
        start = number % len(subjects)
        return subjects[start:] + subjects[:start]

    def _attempt(self, subject: Subject[Root], number: int) -> None:
        try:
            self._round(subject, number)
        except (OSError, DaemonFailed) as error:
            self._rows[subject].failure = " ".join(str(error).split())
            self._discard(subject)

    def _round(self, subject: Subject[Root], number: int) -> None:
        workload, folder, row = self._workload, self._folder(subject), self._rows[subject]
        if not folder.exists():
            folder.mkdir()
            subject.create(folder)
            with subject.use(folder) as use:
                workload.prepare(use.root)
        if workload.cold:
            subject.forget(folder)
            drop_caches(folder)
        with subject.use(folder) as use:
            if workload.warm:
                workload.run(use.root, number)
            gc.collect()
            use.start()
            started = time.perf_counter()
            workload.run(use.root, number)
            row.rates.append(workload.amount / (time.perf_counter() - started))
            use.stop()
        row.costs.append(use.cost())
        if workload.fresh:
            self._discard(subject)

    def _folder(self, subject: Subject[Root]) -> Path:
        return self._backing / subject.name

    def _discard(self, subject: Subject[Root]) -> None:
        shutil.rmtree(self._folder(subject), ignore_errors=True)
