"""Listings: exact while others come and go, seekable, and as large or deep as anybody likes."""

from __future__ import annotations

import errno
import os
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from conformance.posix.directory import Stream
from conformance.posix.expect import fails
from conformance.posix.files import opened
from conformance.posix.kinds import MAKERS, make
from conformance.posix.processes import Child

DEPTH = 2000
LISTINGS_MAX = 100


def fill(place: Path, names: list[str]) -> None:
    for name in names:
        os.close(os.open(place / name, os.O_CREAT | os.O_WRONLY))


def test_dot_and_dot_dot_are_listed_once(place: Path) -> None:
    fill(place, ["a", "b"])
    with Stream(place) as stream:
        assert sorted(stream.rest()) == [".", "..", "a", "b"]


@pytest.mark.parametrize("count", [0, 1, 23, 24, 25, 127, 128, 129, 1000, 5000])
def test_listings_of_every_length(place: Path, count: int) -> None:
    names = [f"name-{number}" for number in range(count)]
    fill(place, names)
    assert sorted(os.listdir(place)) == sorted(names)


@pytest.mark.parametrize("length", [1, 2, 100, 255])
def test_listings_of_names_of_every_length(place: Path, length: int) -> None:
    names = [f"{number:0{length}}"[-length:] for number in range(min(10**length, 300))]
    fill(place, names)
    assert sorted(os.listdir(place)) == sorted(names)


def test_types_and_inodes_in_a_listing(place: Path) -> None:
    kinds = [it for it in MAKERS if "device" not in it]
    for kind in kinds:
        make(place / kind, kind)
    found = {it.name: it for it in os.scandir(place)}
    assert sorted(found) == sorted(kinds)
    for name, entry in found.items():
        status = os.lstat(place / name)
        assert entry.inode() == status.st_ino
        assert entry.is_dir(follow_symlinks=False) == ("directory" in name)
        assert entry.is_file(follow_symlinks=False) == (name == "file")


def test_a_descriptor_lists_from_where_it_is(place: Path) -> None:
    fill(place, ["a", "b", "c"])
    with opened(place, os.O_RDONLY) as descriptor:
        assert sorted(os.listdir(descriptor)) == ["a", "b", "c"]
        fill(place, ["d"])
        assert sorted(os.listdir(descriptor)) == ["a", "b", "c", "d"]


def test_the_inodes_of_dot_and_dot_dot(place: Path) -> None:
    inner = make(place / "inner", "directory")
    make(inner / "file", "file")
    with Stream(inner) as stream:
        found = dict(stream.inodes())
    assert found == {
        ".": os.stat(inner).st_ino,
        "..": os.stat(place).st_ino,
        "file": os.stat(inner / "file").st_ino,
    }


# --- positions ---


def test_every_position_leads_back(place: Path) -> None:
    fill(place, [str(number) for number in range(300)])
    with Stream(place) as stream:
        marks = []
        while True:
            position = stream.tell()
            name = stream.read()
            if name is None:
                break
            marks.append((position, name))
        assert len({position for position, _ in marks}) == 302
        for position, name in [*marks[::-1], *marks[::7]]:
            stream.seek(position)
            assert stream.read() == name


def test_the_rest_from_a_position(place: Path) -> None:
    fill(place, [str(number) for number in range(500)])
    with Stream(place) as stream:
        first = [stream.read() for _ in range(100)]
        position = stream.tell()
        rest = stream.rest()
        assert sorted(filter(None, [*first, *rest])) == sorted([".", "..", *os.listdir(place)])
        stream.seek(position)
        assert stream.rest() == rest


def test_a_position_outlives_changes_elsewhere(place: Path) -> None:
    fill(place, [str(number) for number in range(400)])
    with Stream(place) as stream:
        first = [stream.read() for _ in range(200)]
        position = stream.tell()
        rest = stream.rest()
        for name in first:
            if name not in (None, ".", ".."):
                (place / str(name)).unlink()
        fill(place, [f"new{number}" for number in range(100)])
        stream.seek(position)
        again = [name for name in stream.rest() if not name.startswith("new")]
        assert again == rest


def test_rewinding_shows_what_is_new(place: Path) -> None:
    fill(place, ["a", "b"])
    with Stream(place) as stream:
        stream.rest()
        (place / "a").unlink()
        fill(place, ["c"])
        stream.rewind()
        assert sorted(stream.rest()) == [".", "..", "b", "c"]


def test_a_listing_at_its_end_stays_there(place: Path) -> None:
    fill(place, ["a"])
    with Stream(place) as stream:
        assert len(stream.rest()) == 3
        assert stream.read() is None


# --- while others come and go ---


@pytest.mark.parametrize("kept", [50, 1500])
def test_what_stays_is_listed_once_while_the_rest_comes_and_goes(place: Path, kept: int) -> None:
    stable = [f"kept-{number}" for number in range(kept)]
    fill(place, stable)

    def churn(own: str) -> None:
        for turn in range(25):
            names = [f"{own}-{turn}-{number}" for number in range(40)]
            fill(place, names)
            # No name comes again: it might be met at both its places.
            os.rename(place / names[0], place / f"{own}-{turn}-moved")
            for name in [*names[1:], f"{own}-{turn}-moved"]:
                os.unlink(place / name)

    children = [Child(partial(churn, own)) for own in ("x", "y")]
    # Bounded: a directory that is listed all the time may leave no turn to who changes it.
    for _ in range(LISTINGS_MAX):
        counts = Counter(os.listdir(place))
        assert max(counts.values()) == 1
        assert sum(counts[name] for name in stable) == kept
        if not any(child.running() for child in children):
            break
    for child in children:
        child.result()
    assert sorted(os.listdir(place)) == sorted(stable)


def test_removing_what_is_listed(place: Path) -> None:
    fill(place, [str(number) for number in range(3000)])
    with Stream(place) as stream:
        removed = 0
        while (name := stream.read()) is not None:
            if name not in (".", ".."):
                os.unlink(place / name)
                removed += 1
    assert removed == 3000
    assert os.listdir(place) == []


def test_renaming_what_is_listed(place: Path) -> None:
    """Each is met at least once under one of its names, and none twice under the same."""
    fill(place, [f"old-{number}" for number in range(500)])
    seen: list[str] = []
    with Stream(place) as stream:
        while (name := stream.read()) is not None:
            seen.append(name)
            if name.startswith("old-"):
                os.rename(place / name, place / name.replace("old", "new"))
    assert max(Counter(seen).values()) == 1
    assert {name[4:] for name in seen if name not in (".", "..")} == set(map(str, range(500)))


def test_creating_while_listing_ends(place: Path) -> None:
    fill(place, [str(number) for number in range(100)])
    with Stream(place) as stream:
        seen: list[str] = []
        while (name := stream.read()) is not None:
            seen.append(name)
            if len(seen) <= 1000:
                fill(place, [f"new{len(seen)}"])
    assert max(Counter(seen).values()) == 1
    assert len([name for name in seen if name.isdigit()]) == 100


def test_two_listings_of_one_directory_do_not_disturb_each_other(place: Path) -> None:
    fill(place, [str(number) for number in range(300)])
    with Stream(place) as one, Stream(place) as other:
        first = [one.read() for _ in range(150)]
        assert len(other.rest()) == 302
        assert len({*first, *one.rest()}) == 302


def test_many_create_and_remove_in_one_directory(place: Path) -> None:
    def work(own: str) -> None:
        for number in range(200):
            fill(place, [f"{own}{number}"])
            if number % 2:
                os.unlink(place / f"{own}{number - 1}")
            with suppress(FileExistsError):
                os.mkdir(place / f"shared{number}")

    children = [Child(partial(work, own)) for own in "abc"]
    for child in children:
        child.result()
    wanted = {f"{own}{number}" for own in "abc" for number in range(1, 200, 2)}
    assert set(os.listdir(place)) == wanted | {f"shared{number}" for number in range(200)}


# --- deep trees ---


def test_a_tree_of_2000_levels(place: Path) -> None:
    """Far beyond what a path can name: built, walked and removed by descriptors."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        for level in range(DEPTH):
            name = f"level-{level}"
            os.mkdir(name, dir_fd=descriptor)
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
        os.fchdir(descriptor)
        with fails(errno.ENAMETOOLONG):
            os.stat(f"{place}/" + "/".join(f"level-{level}" for level in range(DEPTH)))
        os.rename(place / "level-0", place / "top")
        assert os.listdir(".") == ["bottom"]
        os.unlink("bottom")
        for level in reversed(range(1, DEPTH)):
            os.chdir("..")
            os.rmdir(f"level-{level}")
    finally:
        os.close(descriptor)
    assert os.path.samefile(".", place / "top")
    assert os.listdir(".") == []


def test_the_working_directory_below_what_a_path_can_name(place: Path) -> None:
    os.chdir(place)
    for _ in range(30):
        os.mkdir("n" * 200)
        os.chdir("n" * 200)
    Path("file").write_bytes(b"deep")
    assert Path("file").read_bytes() == b"deep"
    with fails(errno.ENAMETOOLONG):
        os.stat("/".join([str(place), *["n" * 200] * 30]))
