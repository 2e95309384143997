"""The store under power cuts: every one opens by itself and loses nothing acknowledged."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from sqlfs.limits import PAGE_BYTES_DEFAULT
from sqlfs.store import create_file, open_file, structure_findings
from tests.power.cuts import Lived, Outcome, outcomes, random_end, seeds
from tests.power.history import History
from tests.power.image import Image, materialize
from tests.power.record import Record
from tests.power.store_workload import StoreLife, digest_of

NAME = "volume.sqlite"
SMALL_PAGE_BYTES = 4096


def look(path: Path, *, read_only: bool = False) -> bytes:
    """Open the file as the next owner would and close it again; returns the state it holds."""
    opened = open_file(path, read_only=read_only)
    database = opened.database
    try:
        assert opened.notices == [], "power that goes damages nothing"
        assert structure_findings(database) == []
        return digest_of(database)
    finally:
        database.close()


def look_at(image: Image, path: Path) -> bytes:
    materialize(image, path)
    return look(path)


def change(path: Path, *, checkpoint: bool) -> bytes:
    """Open the file, add to it and close it; returns the state it should then hold."""
    database = open_file(path).database
    try:
        with database.writing():
            database.write("reservation_set", "edge", 2**40)
            database.write("counter_set", 1, 1, b"after the cut")
        if checkpoint:
            database.checkpoint(mark=True)
        return digest_of(database)
    finally:
        database.close()


def check(outcome: Outcome, path: Path, history: History) -> None:
    """What the cut left opens, holds a state that it may hold, and goes on from there."""
    aftermath = outcome.cut.chance("aftermath")
    materialize(outcome.image, path)
    found = look(path, read_only=aftermath.random() < 0.3)
    assert history.holds(found, outcome.acknowledged), "not a state that was to be kept"
    if aftermath.random() < 0.2:
        assert look(path) == found, "another state after a clean close"
    if aftermath.random() < 0.2:
        changed = change(path, checkpoint=aftermath.random() < 0.5)
        assert look(path) == changed, "what came after the cut was not kept"


def lives(seed: int, path: Path, history: History, count: int, steps: int) -> Iterator[Lived]:
    """Lives in a row: every one but the first begins with what a random cut left."""
    chance = random.Random(seed)
    record, held = Record.of(path.parent), 0
    for number in range(count):
        begin = len(record.events)
        StoreLife(path, record, chance, history).run(steps)
        life = Lived(number, record, begin, held)
        yield life
        end = random_end(life, seed, chance)
        history.cut_to(look_at(end.image, path))
        materialize(end.image, path)
        record, held = end.record, history.last if end.held is None else end.held


@pytest.mark.parametrize("seed", seeds(2))
def test_every_cut_of_small_pages(seed: int, disk_folder: Path, tmp_path: Path) -> None:
    sweep(seed, disk_folder / NAME, SMALL_PAGE_BYTES, tmp_path, count=2, steps=14)


@pytest.mark.parametrize("seed", seeds(1, first=1001))
def test_every_cut_of_default_pages(seed: int, disk_folder: Path, tmp_path: Path) -> None:
    sweep(seed, disk_folder / NAME, PAGE_BYTES_DEFAULT, tmp_path, count=2, steps=7)


def sweep(seed: int, path: Path, page_size: int, keep: Path, count: int, steps: int) -> None:
    create_file(path, page_size=page_size)
    history, cuts = History(), 0
    for life in lives(seed, path, history, count, steps):
        for outcome in outcomes(life, seed):
            outcome.run(lambda outcome: check(outcome, path, history), keep)
            cuts += 1
    print(f"{cuts} cuts")
