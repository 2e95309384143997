"""What is intact comes out, whatever else is not."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from sqlfs.errors import Corrupt
from tests.fuzz.specimens import PAGE, Specimen
from tests.salvage.rescuing import UNKEEPABLE, Rescued, is_lost, problems, rescue
from tests.salvage.sections import NEEDED, pages_by_use, rows_on

CLOSED = ("plain", "encrypted", "encrypted-random")
KILLED = ("plain-log", "encrypted-log")
# What has content outside its node.
CHUNKED = {b"/manifests", b"/folder/clone", b"/two chunks", b"/sparse", b"/folder/moved"}


def salvage(specimen: Specimen, data: bytes, broken: Path, log: bytes | None = None) -> Rescued:
    broken.write_bytes(data)
    if log is not None:
        broken.with_name(broken.name + "-wal").write_bytes(log)
    to = broken.with_name(f"out-{len(list(broken.parent.iterdir()))}")
    return rescue(broken, to, specimen.kind.passphrase)


def without(data: bytes, pages: list[int]) -> bytes:
    """The file with these pages zeroed."""
    damaged = bytearray(data)
    for page in pages:
        damaged[(page - 1) * PAGE : page * PAGE] = bytes(PAGE)
    return bytes(damaged)


def assert_all_is_there(rescued: Rescued, specimen: Specimen) -> None:
    assert [it for it in rescued.losses if UNKEEPABLE not in it.message] == []
    assert problems(rescued, specimen.trees[-1:]) == []
    assert rescued.tree.seen.keys() == specimen.trees[-1].seen.keys()
    assert rescued.recovered.found == rescued.recovered.expected


@pytest.mark.parametrize("kind", [*CLOSED, *KILLED])
def test_a_sound_file_comes_out_whole(
    specimens: dict[str, Specimen], kind: str, broken: Path
) -> None:
    specimen = specimens[kind]
    rescued = salvage(specimen, specimen.file, broken, specimen.log)
    assert_all_is_there(rescued, specimen)
    assert rescued.notices == []
    assert broken.read_bytes() == specimen.file


@pytest.mark.parametrize("kind", CLOSED)
def test_pages_without_rows_of_their_own_are_not_needed(
    specimens: dict[str, Specimen], kind: str, broken: Path
) -> None:
    """The schema, interior pages, the map, and all indices but one: lost at once."""
    specimen = specimens[kind]
    uses = pages_by_use(specimen.path)
    lost = [
        page
        for use, pages in uses.items()
        if use not in NEEDED and use != ("chunk_by_digest", "leaf")
        for page in pages
    ]
    assert {1, 2, 3} <= set(lost)
    assert ("node", "internal") in uses
    rescued = salvage(specimen, without(specimen.file, lost), broken)
    # Without the map, what was deleted is not told from what was not.
    deleted = {b"/gone", b"/chunk", b"/folder/small 7"}
    rescued.tree.seen = {
        path: seen
        for path, seen in rescued.tree.seen.items()
        if path not in deleted and not is_lost(path)
    }
    assert problems(rescued, specimen.trees) == []
    assert specimen.trees[-1].seen.keys() <= rescued.tree.seen.keys()
    assert any("was deleted" in notice for notice in rescued.notices)


@pytest.mark.parametrize("use", [("chunk", "leaf"), ("chunk_by_digest", "leaf")])
def test_digests_stand_twice(
    specimens: dict[str, Specimen], use: tuple[str, str], broken: Path
) -> None:
    specimen = specimens["encrypted"]
    lost = pages_by_use(specimen.path)[use]
    assert_all_is_there(salvage(specimen, without(specimen.file, lost), broken), specimen)


@pytest.mark.parametrize("kind", ["plain", "encrypted"])
def test_digests_are_made_out_where_they_are_lost(
    specimens: dict[str, Specimen], kind: str, broken: Path
) -> None:
    specimen = specimens[kind]
    uses = pages_by_use(specimen.path)
    lost = [*uses["chunk", "leaf"], *uses["chunk_by_digest", "leaf"]]
    assert_all_is_there(salvage(specimen, without(specimen.file, lost), broken), specimen)


@pytest.mark.parametrize("kind", CLOSED)
def test_the_settings_of_a_volume_are_made_out_where_they_are_lost(
    specimens: dict[str, Specimen], kind: str, broken: Path
) -> None:
    specimen = specimens[kind]
    lost = pages_by_use(specimen.path)["volume", "leaf"]
    rescued = salvage(specimen, without(specimen.file, lost), broken)
    assert "settings of the volume are lost" in rescued.losses.pop(0).message
    assert_all_is_there(rescued, specimen)


def test_without_a_trace_of_the_volume_nothing_opens(
    specimens: dict[str, Specimen], broken: Path
) -> None:
    specimen = specimens["encrypted"]
    uses = pages_by_use(specimen.path)
    data = without(specimen.file, uses["key_slot", "leaf"])
    with pytest.raises(Corrupt, match="no key slot of it is intact"):
        salvage(specimen, data, broken)


@pytest.mark.parametrize("kind", CLOSED)
@pytest.mark.parametrize("tree", ["node", "xattr"])
def test_a_lost_page_costs_its_rows(
    specimens: dict[str, Specimen], kind: str, tree: str, broken: Path
) -> None:
    specimen = specimens[kind]
    for page in pages_by_use(specimen.path)[tree, "leaf"]:
        rescued = salvage(specimen, without(specimen.file, [page]), broken)
        assert problems(rescued, specimen.trees[-1:]) == []
        not_whole = specimen.trees[-1].seen.keys() - rescued.whole
        # One node has two names.
        assert 1 <= len(not_whole) <= rows_on(specimen.path, page) + 1


@pytest.mark.parametrize("kind", CLOSED)
def test_lost_content_costs_its_range(
    specimens: dict[str, Specimen], kind: str, broken: Path
) -> None:
    specimen = specimens[kind]
    pages = pages_by_use(specimen.path)["chunk_data", "leaf"]
    for page in random.Random(kind).sample(pages, 4):
        rescued = salvage(specimen, without(specimen.file, [page]), broken)
        assert problems(rescued, specimen.trees[-1:]) == []
        assert rescued.tree.seen.keys() == specimen.trees[-1].seen.keys()
        assert specimen.trees[-1].seen.keys() - rescued.whole <= CHUNKED


def test_what_has_lost_its_place_is_in_lost_and_found(
    specimens: dict[str, Specimen], broken: Path
) -> None:
    specimen = specimens["encrypted"]
    uses = pages_by_use(specimen.path)
    rescued = salvage(specimen, without(specimen.file, uses["edge", "leaf"]), broken)
    assert problems(rescued, specimen.trees[-1:]) == []
    nodes = {
        seen.fixed for path, seen in specimen.trees[-1].seen.items() if path != b"/" and seen.fixed
    }
    out = {seen.fixed for path, seen in rescued.tree.seen.items() if is_lost(path) and seen.fixed}
    assert nodes <= out
    assert rescued.recovered.in_lost_and_found == len(out) - 1  # less the directory itself


def test_names_stay_together_where_their_directory_is_lost(
    specimens: dict[str, Specimen], broken: Path
) -> None:
    specimen = specimens["plain"]
    uses = pages_by_use(specimen.path)
    rescued = salvage(specimen, without(specimen.file, uses["node", "leaf"][:1]), broken)
    # The first nodes are the root and the folder: their names are there, their attributes not.
    assert b"/folder/small 39" in rescued.whole
    messages = {loss.path: loss.message for loss in rescued.losses}
    assert messages[b"folder"] == "the attributes of the directory are lost"
    assert problems(rescued, specimen.trees[-1:]) == []
