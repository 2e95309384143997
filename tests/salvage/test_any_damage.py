"""Whatever pages are lost, all that needs none of them is whole, and the rest is as it once was."""

from __future__ import annotations

import os
import random
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fuzz.specimens import PAGE, Specimen
from tests.salvage.footprint import Footprint, footprint_of
from tests.salvage.judge import BETWEEN
from tests.salvage.rescuing import is_lost, problems, rescue

# 1 is right for every day; the soak has 34.
SOAK = int(os.environ.get("SQLFS_SOAK", "1"))
EXAMPLES = 15
MAP_PAGE = 2
KINDS = ("plain", "encrypted", "encrypted-random")

Fill = st.sampled_from(["zeros", "noise", "another page", "cut off"])


@pytest.fixture(scope="session")
def footprints(specimens: dict[str, Specimen]) -> dict[str, Footprint]:
    return {kind: footprint_of(specimens[kind]) for kind in KINDS}


def damaged(data: bytes, lost: set[int], fill: str) -> bytes:
    """The file without these pages; cut off, it is without all from the first of them on."""
    found = bytearray(data)
    chance = random.Random(min(lost))
    if fill == "cut off":
        return bytes(found[: (min(lost) - 1) * PAGE + chance.randrange(PAGE)])
    for page in lost:
        other = chance.randrange(len(data) // PAGE) * PAGE
        instead = {
            "zeros": bytes(PAGE),
            "noise": chance.randbytes(PAGE),
            "another page": data[other : other + PAGE],
        }
        found[(page - 1) * PAGE : page * PAGE] = instead[fill]
    return bytes(found)


@pytest.mark.parametrize("kind", KINDS)
def test_any_damage(
    specimens: dict[str, Specimen], footprints: dict[str, Footprint], kind: str
) -> None:
    specimen, footprint = specimens[kind], footprints[kind]
    pages = len(specimen.file) // PAGE

    @settings(max_examples=EXAMPLES * SOAK)
    @given(lost=st.sets(st.integers(1, pages), min_size=1, max_size=40), fill=Fill)
    @example(lost=set(range(1, 4)), fill="zeros")
    @example(lost=set(range(1, 13)), fill="noise")
    @example(lost={pages // 2}, fill="cut off")
    def holds(lost: set[int], fill: str) -> None:
        with TemporaryDirectory() as place:
            check(specimen, footprint, lost, fill, Path(place))

    holds()


def check(specimen: Specimen, footprint: Footprint, lost: set[int], fill: str, place: Path) -> None:
    broken = place / "broken.sqlite"
    broken.write_bytes(damaged(specimen.file, lost, fill))
    if fill == "cut off":
        lost = set(range(min(lost), len(specimen.file) // PAGE + 1))
    intact = footprint.intact(lost)
    if not intact:
        return
    rescued = rescue(broken, place / "out", specimen.kind.passphrase)
    assert intact <= rescued.whole
    is_told = MAP_PAGE not in lost
    states = specimen.trees[-1:] if is_told else specimen.trees
    rescued.tree.seen = {
        path: seen
        for path, seen in rescued.tree.seen.items()
        if is_told or not (is_lost(path) or path in BETWEEN)
    }
    assert problems(rescued, states) == []


def test_footprints_tell_paths_apart(
    specimens: dict[str, Specimen], footprints: dict[str, Footprint]
) -> None:
    for kind in KINDS:
        footprint = footprints[kind]
        full = specimens[kind].trees[-1].seen.keys()
        assert footprint.intact(set()) == full
        pages = range(1, len(specimens[kind].file) // PAGE + 1)
        sizes = {len(full - footprint.intact({page})) for page in pages}
        assert len(sizes) > 5
        assert min(sizes) == 0
