"""Names, sizes, times and targets: from bytes to what people read and write, and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqlfs.cli.descent import descend
from sqlfs.cli.measures import instant, minute, parse_size, short_size
from sqlfs.cli.placing import placed
from sqlfs.cli.quoting import escaped, quoted
from sqlfs.cli.target import path_in_volume, split_target
from sqlfs.errors import NotADirectory, UsageError


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("plain name.txt", "plain name.txt"),
        ("Größe, 写真", "Größe, 写真"),
        ("a\nb", r"$'a\x0ab'"),
        ("\x1b[2J", r"$'\x1b[2J'"),
        ("it's\t", r"$'it\'s\x09'"),
        ("back\\slash\r", r"$'back\\slash\x0d'"),
        ("not-utf8-\udcff", r"$'not-utf8-\xff'"),
        ("turned-\u202e", r"$'turned-\xe2\x80\xae'"),
    ],
)
def test_names_at_a_terminal(name: str, text: str) -> None:
    assert quoted(name) == text


def test_messages_are_one_line() -> None:
    assert escaped("a\nb\x1b") == r"a\x0ab\x1b"


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("4096", 4096), ("4K", 4096), ("4k", 4096), ("1MiB", 1 << 20), ("2G", 2 << 30)],
)
def test_sizes_that_people_write(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "K", "-1", "1.5M", "4KB", "4 K", "1Z"])
def test_sizes_that_make_no_sense(text: str) -> None:
    with pytest.raises(UsageError):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0"),
        (1023, "1023"),
        (1024, "1.0K"),
        (1536, "1.5K"),
        (10 * 1024, "10K"),
        (1023 * 1024, "1.0M"),
        (999 * 1024, "999K"),
        (5 << 30, "5.0G"),
        (2**63 - 1, "8.0E"),
    ],
)
def test_sizes_that_people_read(size: int, text: str) -> None:
    assert short_size(size) == text


def test_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time_ns = 1_700_000_000_123_456_789
    assert minute(time_ns) == "2023-11-14 22:13"
    assert instant(time_ns).startswith("2023-11-14 22:13:20.123456789 ")
    assert instant(-1).startswith("1969-12-31 23:59:59.999999999 ")


def test_targets(tmp_path: Path) -> None:
    there = tmp_path / "a:b"
    there.touch()
    assert split_target(str(there), None) == (there, None)
    assert split_target(f"{there}:v", None) == (there, "v")
    assert split_target(f"{tmp_path}/c:v", None) == (tmp_path / "c", "v")
    assert split_target(f"{tmp_path}/c:v", "w") == (tmp_path / "c:v", "w")
    assert split_target("c:", None) == (Path("c:"), None)
    assert split_target(":v", None) == (Path(":v"), None)


def test_paths() -> None:
    assert path_in_volume("/a") == path_in_volume("a") == "/a"
    with pytest.raises(UsageError):
        path_in_volume("")


def test_where_copies_go() -> None:
    def targets(sources: list[str], destination: str, *directories: str) -> list[str]:
        return [target for _, target in placed(sources, destination, directories.__contains__)]

    assert targets(["/a"], "/b") == ["/b"]
    assert targets(["/x/a", "c/"], "/b", "/b") == ["/b/a", "/b/c"]
    assert targets(["/a"], "/b/", "/b/") == ["/b/a"]
    assert targets(["/", ".", "x/.."], "/b", "/b") == ["/b"] * 3
    for sources, destination in ((["/a", "/c"], "/b"), (["/a"], "/b/")):
        with pytest.raises(NotADirectory):
            targets(sources, destination)


def test_a_descent_of_any_depth() -> None:
    trail: list[str] = []

    def enter(depth: int) -> list[int] | None:
        trail.append(f"+{depth}")
        return [depth + 1] * (2 if depth == 0 else 1) if depth < 3000 else None

    descend(0, enter, lambda depth: trail.append(f"-{depth}"))
    assert trail[:2] == ["+0", "+1"]
    assert trail[-1] == "-0"
    assert trail.count("+3000") == 2
    assert trail.count("-1") == trail.count("+1") == 2
    assert "-3000" not in trail
