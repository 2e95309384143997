"""What the documentation may not say, and that its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.project import ROOT

# The project speaks of itself: not of how it is being made, nor of one machine's folders.
FORBIDDEN = {
    "a number of a task": re.compile(r"\b(issue|session|ticket|milestone)\s*#?\s*\d", re.I),
    "a path of one machine": re.compile(r"(?<![\w.~/])/(work|root|workspace|home/\w+)\b"),
    "an unfinished place": re.compile(r"\b(TODO|FIXME|XXX|TBD|lorem ipsum)\b", re.I),
}
FOLDERS = (".ci", "conformance", "fuse_driver", "sql", "sqlfs", "tests")
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)")


def documents() -> list[Path]:
    """Every Markdown file of the project."""
    found = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*.md")]
    return sorted([*ROOT.glob("*.md"), *found])


def forbidden(text: str) -> list[str]:
    """What a text says that it may not, one line each."""
    return [
        f"line {number}: {what}: {match[0]}"
        for number, line in enumerate(text.splitlines(), 1)
        for what, pattern in FORBIDDEN.items()
        for match in pattern.finditer(line)
    ]


@pytest.mark.parametrize("document", documents(), ids=lambda it: str(it.relative_to(ROOT)))
def test_documents_speak_of_the_project_alone(document: Path) -> None:
    assert forbidden(document.read_text("utf-8")) == []


@pytest.mark.parametrize("document", documents(), ids=lambda it: str(it.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    links = LINK.findall(document.read_text("utf-8"))
    broken = [it for it in links if "://" not in it and not (document.parent / it).exists()]
    assert broken == []


def test_there_are_documents() -> None:
    assert {"README.md", "CHANGELOG.md"} <= {str(it.relative_to(ROOT)) for it in documents()}


@pytest.mark.parametrize(
    "text",
    ["see issue #2", "as session 12 found", "in /work/x", "ls /root/a", "TODO: say more"],
)
def test_what_documents_may_not_say(text: str) -> None:
    assert len(forbidden(text)) == 1


@pytest.mark.parametrize(
    "text", ["a mount session, closed on exit", "/dev/fuse", "~/work/x", "fs.mkdir('/2024')"]
)
def test_what_documents_may_say(text: str) -> None:
    assert forbidden(text) == []
