"""``sqlfs mv``: moving and renaming within a volume."""

from __future__ import annotations

import argparse

from sqlfs.cli.command import Command
from sqlfs.cli.placing import placed
from sqlfs.cli.problems import Problems
from sqlfs.cli.target import add_target_arguments, opened_volume, path_in_volume


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target_arguments(parser)
    add = parser.add_argument
    add("source", metavar="SOURCE", nargs="+", help="what to move")
    add("destination", metavar="DEST", help="a directory, or the new path")
    add("-n", "--no-clobber", action="store_true", help="replace nothing that is there")


def _run(arguments: argparse.Namespace) -> int:
    problems = Problems()
    sources = [path_in_volume(word) for word in arguments.source]
    destination = path_in_volume(arguments.destination)
    with opened_volume(arguments, write=True) as files:
        for source, target in placed(sources, destination, files.is_dir):
            with problems.noted():
                files.rename(source, target, noreplace=arguments.no_clobber)
    return problems.code


COMMAND = Command(
    "mv",
    "sqlfs mv photos.sqlite /2024/a.jpg /2024/july/",
    _add_arguments,
    _run,
)
