"""``sqlfs cat``: content to standard output."""

from __future__ import annotations

import argparse

from sqlfs.cli import output
from sqlfs.cli.command import Command
from sqlfs.cli.problems import Problems
from sqlfs.cli.target import add_target_arguments, opened_volume, path_in_volume
from sqlfs.limits import IO_BYTES_MAX


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target_arguments(parser)
    parser.add_argument("path", metavar="PATH", nargs="+", help="a file in the volume")


def _run(arguments: argparse.Namespace) -> int:
    problems = Problems()
    paths = [path_in_volume(word) for word in arguments.path]
    with opened_volume(arguments, write=False) as files:
        for path in paths:
            with problems.noted(), files.open(path, "rb", buffering=0) as stream:
                while piece := stream.read(IO_BYTES_MAX):
                    output.data(piece)
    return problems.code


COMMAND = Command(
    "cat",
    "sqlfs cat photos.sqlite /notes.txt | less",
    _add_arguments,
    _run,
)
