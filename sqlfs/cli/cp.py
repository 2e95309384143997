"""``sqlfs cp``: copies within a volume, which share content."""

from __future__ import annotations

import argparse

from sqlfs.cli.command import Command
from sqlfs.cli.placing import placed
from sqlfs.cli.problems import Problems
from sqlfs.cli.target import add_target_arguments, opened_volume, path_in_volume
from sqlfs.errors import IsADirectory
from sqlfs.volume.files import FileSystem


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target_arguments(parser)
    add = parser.add_argument
    add("source", metavar="SOURCE", nargs="+", help="what to copy")
    add("destination", metavar="DEST", help="a directory, or the copy's own path")
    add("-r", "--recursive", action="store_true", help="directories too; symlinks stay symlinks")


def _copy(files: FileSystem, source: str, target: str, *, recursive: bool) -> None:
    if not recursive and files.is_dir(source):
        raise IsADirectory(f"{source!r} is a directory; copy it by cp -r")
    files.copy(source, target, follow_symlinks=not recursive)


def _run(arguments: argparse.Namespace) -> int:
    problems = Problems()
    sources = [path_in_volume(word) for word in arguments.source]
    destination = path_in_volume(arguments.destination)
    with opened_volume(arguments, write=True) as files:
        for source, target in placed(sources, destination, files.is_dir):
            with problems.noted():
                _copy(files, source, target, recursive=arguments.recursive)
    return problems.code


COMMAND = Command(
    "cp",
    "sqlfs cp -r photos.sqlite /2024 /backup",
    _add_arguments,
    _run,
    """\
Content is shared, not copied: a copy takes no room until one of the two changes.  Attributes are
copied too.  A file replaces a file; a directory is copied to a place where nothing is.""",
)
