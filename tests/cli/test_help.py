"""What the command says of itself."""

from __future__ import annotations

import pytest

from sqlfs.cli.command import Command
from sqlfs.cli.exits import Exit
from sqlfs.cli.main import COMMANDS
from sqlfs.cli.registry import command
from tests.cli.running import fail, succeed


def test_help_lists_every_command_and_exit_code() -> None:
    words = [line.split() for line in succeed("--help").lines]
    for name, summary in COMMANDS.items():
        assert [name, *summary.split()] in words
    codes = {line[0] for line in words if line and line[0].isdigit()}
    assert {str(int(code)) for code in Exit} <= codes


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    found = command(name)
    assert isinstance(found, Command)
    assert found.name == name
    assert found.example.startswith(f"sqlfs {name}")
    text = succeed(name, "--help").text
    assert found.example in text
    assert text.startswith(f"usage: sqlfs {name} ")


def test_a_command_that_prints_json_says_which_fields() -> None:
    for name in COMMANDS:
        text = succeed(name, "--help").text
        if "--json" in text:
            assert "JSON" in text.split("print JSON for programs")[1], name


def test_version() -> None:
    described = succeed("version", "--json").json
    assert set(described) == {"version", "format", "python"}
    assert described["version"] in succeed("version").text
    assert described["version"] in succeed("--version").text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "which command"),
        (["lss"], "'lss'"),
        (["-x"], "-x"),
        (["ls"], "FILE"),
        (["put", "FILE", "local"], "DEST"),
        (["ls", "FILE", "--no-such-option"], "--no-such-option"),
        (["rm", "FILE", "/x", "--recursiv"], "--recursiv"),
        (["tree", "FILE", "--depth", "0"], "--depth"),
        (["mkdir", "FILE", "/x", "-m", "rwx"], "octal"),
        (["mkdir", "FILE", "/x", "-m", "17777"], "octal"),
        (["mkdir", "FILE", ""], "empty path"),
        (["init", "FILE", "--chunk-size", "big"], "not a size"),
        (["put", "FILE", "-", "x", "/"], "standard input"),
        (["put", "FILE", "--passphrase-fd", "0", "-", "/x"], "standard input"),
        (["get", "FILE", "/a", "/b", "-"], "standard output"),
        (["ls", "FILE", "--passphrase-fd", "3", "--passphrase-env", "X"], "not allowed"),
    ],
)
def test_senseless_command_lines(words: list[str], says: str) -> None:
    fail(*words, code=2, says=says)
