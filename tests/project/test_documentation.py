"""What the documentation may not say, what it must, and that its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fuse_driver import arguments, options
from sqlfs.cli.exits import Exit
from sqlfs.cli.main import COMMANDS
from tests.project import ROOT
from tests.project.sources import Module, modules

README = (ROOT / "README.md").read_text("utf-8")

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


def in_tables(pattern: str) -> set[str]:
    """What `pattern` captures in the first cells of the tables of README.md."""
    cells = re.findall(r"^\| ([^|]+) \|", README, re.MULTILINE)
    return {word for cell in cells for word in re.findall(pattern, cell)}


def option_names(module: Module) -> set[str]:
    """The long options that a module gives to argparse."""
    return {text for _, text in module.strings() if re.fullmatch(r"--[a-z-]+", text)}


def mount_options() -> set[str]:
    """The words of -o that do something, those with a value ending in `=`."""
    return {*options.WORDS, *(f"{name}=" for name in options.VALUES)}


def accepted_options() -> set[str]:
    """The words of -o that change nothing, in the same form."""
    words = options.IGNORED | options.FUSE_IGNORED | set(options.IGNORED_PREFIXES)
    return words | {f"{name}=" for name in options.FUSE_IGNORED_VALUES}


def first_column(table: str, row: str) -> set[str]:
    """The mount options that the rows of a table begin with."""
    cells = re.findall(row, table, re.MULTILINE)
    return {word for cell in cells for word in re.findall(r"(?<![\w-])([a-z_-]+=?)", cell)}


def test_every_command_is_documented() -> None:
    assert in_tables(r"^`sqlfs (\w+)") == set(COMMANDS)


def test_every_exit_code_is_documented() -> None:
    assert {int(code) for code in in_tables(r"^\d+$")} >= set(Exit)


def test_every_option_of_sqlfs_mount_is_documented() -> None:
    (mounting,) = modules("fuse_driver/arguments.py")
    (secrets,) = modules("sqlfs/cli/secrets.py")
    offered = option_names(mounting) | option_names(secrets)
    assert "--encrypt" in offered
    assert offered <= in_tables(r"--[a-z-]+")


def test_readme_and_help_name_the_same_mount_options() -> None:
    _, _, table = arguments.EPILOG.partition("mount options")
    assert first_column(table, r"^  ([a-z](?:\S| \S)*)") == mount_options()
    _, _, table = README.partition("| mount option |")
    table, _, _ = table.partition("\n\n")
    assert first_column(table, r"^\| ([^|]+) \|") == mount_options()


@pytest.mark.parametrize("option", sorted(accepted_options() | set(options.REFUSED)))
def test_readme_names_every_mount_option_that_is_accepted_or_refused(option: str) -> None:
    assert re.search(rf"`{re.escape(option)}(=?…)?`", README)
