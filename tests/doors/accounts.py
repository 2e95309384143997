"""What workers logged, against what is in the volume after all: nothing lost, nothing twice."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.doors.ways import FullWay
from tests.doors.worker import COUNT, LEDGER, MARKED, OWN, SHARED, STAMPS, TOKEN, stamped


@dataclass
class Account:
    """Of one worker.  What may have been done is never known better than that."""

    worker: int
    done: dict[int, tuple[str, object]] = field(default_factory=dict)
    maybe: dict[int, tuple[str, object]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, worker: int, log: Path) -> Account:
        account = cls(worker)
        for line in log.read_text().splitlines():
            event, number, kind, what, _ = json.loads(line)
            if event == "failed":
                account.failed.append(f"worker {worker}, step {number}: {kind}: {what}")
            elif event == "done":
                account.maybe.pop(number, None)
                account.done[number] = kind, what
            else:
                account.maybe[number] = kind, what
        return account

    def of(self, kind: str, steps: dict[int, tuple[str, object]]) -> dict[int, object]:
        return {number: what for number, (each, what) in steps.items() if each == kind}


def broken(way: FullWay, accounts: Iterable[Account], full: Iterable[int]) -> list[str]:
    """One line for each promise that was broken; `full` are the workers that do all steps."""
    accounts = list(accounts)
    found = [line for account in accounts for line in account.failed]
    found += _counted(way, accounts)
    found += _ledger(way, accounts)
    for account in accounts:
        found += _stamp(way, account)
        if account.worker in full:
            found += _own(way, account)
            found += _mark(way, account)
    return found


def _allowed(account: Account, kind: str) -> set[int]:
    """Numbers that may stand where the last of a kind is kept."""
    done = account.of(kind, account.done)
    last = max(done, default=0)
    later = {number for number in account.of(kind, account.maybe) if number > last}
    return {last} | later


def _stamp(way: FullWay, account: Account) -> Iterator[str]:
    allowed = _allowed(account, "stamp")
    path = f"{STAMPS}/{account.worker}"
    number = 0
    if str(account.worker) in way.names(STAMPS):
        worker, number = stamped(way.read(path))
        if worker != account.worker:
            yield f"{path}: that of {worker}"
    if number not in allowed:
        yield f"{path}: {number} where one of {sorted(allowed)} was kept"


def _mark(way: FullWay, account: Account) -> Iterator[str]:
    allowed = _allowed(account, "mark")
    try:
        number = int(way.marked(MARKED, f"user.{account.worker}"))
    except OSError:
        number = 0
    if number not in allowed:
        yield f"mark of {account.worker}: {number} where one of {sorted(allowed)} was set"


def _own(way: FullWay, account: Account) -> Iterator[str]:
    here = f"{OWN}/{account.worker}"
    possible = {
        f"{letter}{each}" for each in account.of("names", account.maybe) for letter in "abc"
    }
    left = way.names(here) - possible
    if left:
        yield f"{here}: {left} left"
    lines = [tuple(map(int, line.split())) for line in way.read(f"{here}.log").splitlines()]
    counts = Counter(number for _, number in lines)
    if [number for _, number in lines] != sorted(counts.elements()):
        yield f"{here}.log: out of order"
    maybe = account.of("append", account.maybe)
    for number, count in account.of("append", account.done).items():
        if counts.pop(number, 0) != count:
            yield f"{here}.log: record {number} is not there {count} times"
    for number, count in counts.items():
        if number not in maybe or count > 4:
            yield f"{here}.log: record {number} is there {count} times"


def _counted(way: FullWay, accounts: list[Account]) -> Iterator[str]:
    (name,) = (name.partition("-")[0] for name in way.names(COUNT))
    done = Counter(
        what for each in accounts for what in each.of("count", each.done).values() if what
    )
    maybe = {what for each in accounts for what in each.of("count", each.maybe).values()}
    for value, count in done.items():
        if count > 1 or int(str(value)) > int(name):
            yield f"{value} was counted {count} times, and {name} is the last"
    for value in range(1, int(name) + 1):
        if not done[value] and value not in maybe:
            yield f"{value} was counted by nobody"


def _ledger(way: FullWay, accounts: list[Account]) -> Iterator[str]:
    lines = way.read(LEDGER).decode().splitlines()
    found = Counter(lines)
    for account in accounts:
        maybe = account.of("enter", account.maybe)
        for number, entered in account.of("enter", account.done).items():
            if found.pop(f"{account.worker} {number}", 0) != bool(entered):
                yield f"ledger: {account.worker} {number} is not there {int(bool(entered))} times"
        for number in maybe:
            if found.pop(f"{account.worker} {number}", 0) > 1:
                yield f"ledger: {account.worker} {number} is there twice"
    if found:
        yield f"ledger: {found} was entered by nobody"
    tokens = [name for name in way.names(SHARED) if name.startswith(TOKEN)]
    if len(tokens) != 1:
        yield f"tokens: {tokens}"
