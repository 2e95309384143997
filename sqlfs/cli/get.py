"""``sqlfs get``: files of a volume to local ones."""

from __future__ import annotations

import argparse
from pathlib import Path

from sqlfs.cli import output
from sqlfs.cli.command import Command
from sqlfs.cli.download import Download, volume_bytes
from sqlfs.cli.local import VolumeFileGuard, to_local_text, to_volume_text
from sqlfs.cli.placing import placed
from sqlfs.cli.problems import Problems
from sqlfs.cli.progress import TransferProgress
from sqlfs.cli.target import (
    add_target_arguments,
    opened_volume,
    path_in_volume,
    split_target,
)
from sqlfs.cli.upload import PIECE_BYTES
from sqlfs.errors import UsageError
from sqlfs.volume.files import FileSystem

STREAM = "-"


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target_arguments(parser)
    add = parser.add_argument
    add("path", metavar="PATH", nargs="+", help="what to copy")
    add("local", metavar="LOCAL", help="a directory, or the copy's own path; - is standard output")
    add("-r", "--recursive", action="store_true", help="directories too; symlinks stay symlinks")


def _get_stream(files: FileSystem, path: str, progress: TransferProgress) -> None:
    with files.open(path, "rb", buffering=0) as source:
        while piece := source.read(PIECE_BYTES):
            output.data(piece)
            progress.advance(len(piece))


def _run(arguments: argparse.Namespace) -> int:
    streamed = arguments.local == STREAM
    paths = [path_in_volume(word) for word in arguments.path]
    if streamed and (len(paths) > 1 or arguments.recursive):
        raise UsageError("standard output (-) takes one file; see sqlfs cat for several")
    recursive = arguments.recursive
    problems = Problems()
    with opened_volume(arguments, write=False) as files:

        def total() -> int:
            return sum(volume_bytes(files, path, recursive=recursive) for path in paths)

        with TransferProgress("get", total) as progress:
            if streamed:
                _get_stream(files, paths[0], progress)
                return problems.code
            guard = VolumeFileGuard(split_target(arguments.file, arguments.volume)[0])
            download = Download(files, guard, problems, progress, recursive=recursive)
            destination = to_volume_text(arguments.local)
            for path, target in placed(paths, destination, _is_local_directory):
                download.get(path, Path(to_local_text(target)))
    return problems.code


def _is_local_directory(text: str) -> bool:
    return Path(to_local_text(text)).is_dir()


COMMAND = Command(
    "get",
    "sqlfs get -r photos.sqlite /2024 ~/Pictures",
    _add_arguments,
    _run,
    """\
Mode, times, user xattrs and holes are kept, owners if root asks, and with -r hard links among what
is copied.  Symlinks are followed unless -r is given.""",
)
