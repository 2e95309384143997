"""``sqlfs tree``: a directory and everything below, drawn."""

from __future__ import annotations

import argparse
import stat
from collections.abc import Iterator

from sqlfs.cli import output
from sqlfs.cli.command import Command, add_json_option
from sqlfs.cli.listing import entries
from sqlfs.cli.nodes import JSON_FIELDS, fields
from sqlfs.cli.target import add_target_arguments, opened_volume, path_in_volume
from sqlfs.errors import UsageError
from sqlfs.volume.entries import Entry
from sqlfs.volume.files import FileSystem

Placed = tuple[Entry[str], list[bool]]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target_arguments(parser)
    add = parser.add_argument
    add("path", metavar="PATH", nargs="?", default="/", help="where to start (default: the root)")
    add("-a", "--all", action="store_true", help="also names that start with a dot")
    add("--depth", metavar="N", type=int, help="go down at most N levels")
    add_json_option(parser)


def _below(files: FileSystem, path: str, *, hidden: bool, depth: int | None) -> Iterator[Placed]:
    """Every entry below `path`, a directory before what is in it.

    With each comes, for its ancestors and itself, whether it is the last of its directory.
    """
    branches = [_marked(files, path, hidden=hidden)]
    ends: list[bool] = []
    while branches:
        entry, last = next(branches[-1], (None, True))
        del ends[len(branches) - 1 :]
        if entry is None:
            branches.pop()
            continue
        ends.append(last)
        yield entry, ends
        deeper = depth is None or len(branches) < depth
        if deeper and entry.is_dir(follow_symlinks=False):
            branches.append(_marked(files, entry.path, hidden=hidden))


def _marked(
    files: FileSystem, path: str, *, hidden: bool
) -> Iterator[tuple[Entry[str] | None, bool]]:
    """The entries of a directory, each with whether it is the last."""
    found = entries(files, path, hidden=hidden)
    entry = next(found, None)
    while entry is not None:
        following = next(found, None)
        yield entry, following is None
        entry = following


def _print(files: FileSystem, path: str, below: Iterator[Placed]) -> None:
    directories, others = 0, 0
    output.line(output.shown(path))
    for entry, ends in below:
        drawn = "".join("    " if last else "│   " for last in ends[:-1])
        drawn += "└── " if ends[-1] else "├── "
        text = output.shown(entry.name)
        mode = entry.attributes.mode
        if stat.S_ISLNK(mode):
            text += f" -> {output.shown(files.readlink(entry.path))}"
        output.line(drawn + text)
        if stat.S_ISDIR(mode):
            directories += 1
        else:
            others += 1
    output.line()
    output.line(f"{_counted(directories, 'directory', 'directories')}, {_counted(others, 'file')}")


def _counted(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _run(arguments: argparse.Namespace) -> int:
    path = path_in_volume(arguments.path)
    if arguments.depth is not None and arguments.depth < 1:
        raise UsageError("--depth takes a number of at least 1")
    with opened_volume(arguments, write=False) as files:
        below = _below(files, path, hidden=arguments.all, depth=arguments.depth)
        if arguments.json:
            output.documents(
                fields(files, entry.path, entry.stat(follow_symlinks=False)) for entry, _ in below
            )
        else:
            files.scandir(path).close()
            _print(files, path, below)
    return 0


COMMAND = Command(
    "tree",
    "sqlfs tree photos.sqlite /2024",
    _add_arguments,
    _run,
    f"With --json, a list of what is below, as of: sqlfs ls -R --json.\n\n{JSON_FIELDS}",
)
