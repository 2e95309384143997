"""``sqlfs mkdir``: making directories."""

from __future__ import annotations

import argparse
from typing import Final

from sqlfs.cli.command import Command
from sqlfs.cli.problems import Problems
from sqlfs.cli.target import add_target_arguments, opened_volume, path_in_volume
from sqlfs.errors import UsageError

_MODE_MAX: Final = 0o7777


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target_arguments(parser)
    add = parser.add_argument
    add("path", metavar="PATH", nargs="+", help="a directory to make")
    add("-p", "--parents", action="store_true", help="also what leads there; it may exist")
    add("-m", "--mode", metavar="MODE", help="permission bits, octal (default: 777 less the umask)")


def _parse_mode(text: str) -> int:
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= _MODE_MAX:
        raise UsageError(f"{text!r} is not a mode; give permission bits in octal, such as 750")
    return mode


def _run(arguments: argparse.Namespace) -> int:
    problems = Problems()
    paths = [path_in_volume(word) for word in arguments.path]
    mode = None if arguments.mode is None else _parse_mode(arguments.mode)
    with opened_volume(arguments, write=True) as files:
        for path in paths:
            with problems.noted():
                files.mkdir(path, parents=arguments.parents, exist_ok=arguments.parents)
                if mode is not None:
                    files.chmod(path, mode)
    return problems.code


COMMAND = Command(
    "mkdir",
    "sqlfs mkdir -p photos.sqlite /2024/july",
    _add_arguments,
    _run,
)
