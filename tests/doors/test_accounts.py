"""What workers log is true, and a broken promise is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.doors.accounts import Account, broken
from tests.doors.crowd import prepare
from tests.doors.ways import ApiWay
from tests.doors.worker import (
    COUNT,
    LEDGER,
    MARKED,
    OWN,
    SHARED,
    STAMPS,
    TOKEN,
    FullWorker,
    Log,
    Published,
    record,
    stamp,
    work,
)

STEPS = 40


@pytest.fixture
def way(tmp_path: Path) -> Iterator[ApiWay]:
    prepare(tmp_path / "volume.sqlite")
    way = ApiWay(tmp_path / "volume.sqlite")
    yield way
    way.close()


@pytest.fixture
def account(way: ApiWay, tmp_path: Path) -> Account:
    """Of worker 0, which has done some of everything."""
    published = Published(tmp_path / "published")
    published.tell(0, 0)
    worker, log = FullWorker(way, 0, published, 1, 0), Log(tmp_path / "0.log")
    for _ in range(STEPS):
        work(worker, way, log)
    account = Account.read(0, tmp_path / "0.log")
    assert {kind for kind, _ in account.done.values()} == {
        "look", "stamp", "count", "append", "names", "enter", "mark",
    }  # fmt: skip
    return account


def test_what_was_done_is_there(way: ApiWay, account: Account) -> None:
    assert len(account.done) == STEPS
    assert account.maybe == {}
    assert broken(way, [account], [0]) == []


def lose_line(way: ApiWay, path: str) -> None:
    lines = way.read(path).splitlines(keepends=True)
    way.put(path, b"".join(lines[:-1]))


def count_back(way: ApiWay) -> None:
    (name,) = way.names(COUNT)
    way.rename(f"{COUNT}/{name}", f"{COUNT}/1-0")


BREACHES: dict[str, Callable[[ApiWay], None]] = {
    "an old stamp": lambda way: way.put(f"{STAMPS}/0", stamp(0, 0)),
    "the stamp of another": lambda way: way.put(f"{STAMPS}/0", stamp(1, STEPS)),
    "no stamp": lambda way: way.remove(f"{STAMPS}/0"),
    "a record is lost": lambda way: lose_line(way, f"{OWN}/0.log"),
    "a record is there twice": lambda way: way.append(f"{OWN}/0.log", [record(0, STEPS)]),
    "a name is left": lambda way: way.create(f"{OWN}/0/a1"),
    "a count is undone": count_back,
    "an entry is lost": lambda way: lose_line(way, LEDGER),
    "an entry of nobody": lambda way: way.append(LEDGER, [record(1, 7)]),
    "a mark is lost": lambda way: way.mark(MARKED, "user.0", b"1"),
    "two tokens": lambda way: way.create(f"{SHARED}/{TOKEN}-0"),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_a_broken_promise_is_found(way: ApiWay, account: Account, breach: str) -> None:
    BREACHES[breach](way)
    assert len(broken(way, [account], [0])) >= 1


def test_what_was_begun_may_be_done_or_not(way: ApiWay, account: Account) -> None:
    number = STEPS + 1
    account.maybe = {number: ("append", None), number + 1: ("stamp", None)}
    assert broken(way, [account], [0]) == []
    way.append(f"{OWN}/0.log", [record(0, number)])
    way.put(f"{STAMPS}/0", stamp(0, number + 1))
    assert broken(way, [account], [0]) == []
