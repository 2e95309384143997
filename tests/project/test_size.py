"""A file or a function that grows too long has two subjects; a vague name has none."""

from __future__ import annotations

from tests.project.sources import modules

FILE_LINES_MAX = 420
FUNCTION_LINES_MAX = 70
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc"}

SOURCES = modules("sqlfs", "fuse_driver")


def test_a_file_has_one_subject() -> None:
    lengths = {module.name: len(module.text.splitlines()) for module in SOURCES}
    assert {name: lines for name, lines in lengths.items() if lines > FILE_LINES_MAX} == {}


def test_a_function_has_one_subject() -> None:
    lengths = {
        f"{module.name}:{line} {name}": lines
        for module in SOURCES
        for name, line, lines in module.functions()
    }
    assert {name: lines for name, lines in lengths.items() if lines > FUNCTION_LINES_MAX} == {}


def test_a_name_says_what_is_inside() -> None:
    vague = [
        module.name
        for module in SOURCES
        if not VAGUE.isdisjoint(part.strip("_") for part in module.name.split("."))
    ]
    assert vague == []
