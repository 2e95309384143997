"""``sqlfs rm``: removing files and trees."""

from __future__ import annotations

import argparse
import contextlib

from sqlfs.cli.command import Command
from sqlfs.cli.problems import Problems
from sqlfs.cli.target import add_target_arguments, opened_volume, path_in_volume
from sqlfs.errors import IsADirectory, NotFound
from sqlfs.volume.files import FileSystem


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target_arguments(parser)
    add = parser.add_argument
    add("path", metavar="PATH", nargs="+", help="what to remove")
    add("-r", "--recursive", action="store_true", help="directories with all that is in them")
    add("-f", "--force", action="store_true", help="no error for what is not there")


def _remove(files: FileSystem, path: str, *, recursive: bool) -> None:
    try:
        files.unlink(path)
    except IsADirectory:
        if not recursive:
            raise IsADirectory(f"{path!r} is a directory; remove it by rm -r") from None
        files.rmtree(path)


def _run(arguments: argparse.Namespace) -> int:
    problems = Problems()
    paths = [path_in_volume(word) for word in arguments.path]
    with opened_volume(arguments, write=True) as files:
        for path in paths:
            ignored = contextlib.suppress(*([NotFound] if arguments.force else []))
            with problems.noted(), ignored:
                _remove(files, path, recursive=arguments.recursive)
    return problems.code


COMMAND = Command(
    "rm",
    "sqlfs rm -r photos.sqlite /2023",
    _add_arguments,
    _run,
)
