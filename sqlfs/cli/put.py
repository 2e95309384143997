"""``sqlfs put``: local files into a volume."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sqlfs.cli.command import Command
from sqlfs.cli.local import VolumeFileGuard, to_local_text, to_volume_text
from sqlfs.cli.placing import placed
from sqlfs.cli.problems import Problems
from sqlfs.cli.progress import TransferProgress
from sqlfs.cli.secrets import passphrase_source
from sqlfs.cli.target import (
    add_target_arguments,
    opened_volume,
    path_in_volume,
    split_target,
)
from sqlfs.cli.upload import Upload, local_bytes
from sqlfs.errors import IsADirectory, UsageError
from sqlfs.volume.files import FileSystem

STREAM = "-"


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target_arguments(parser)
    add = parser.add_argument
    add("local", metavar="LOCAL", nargs="+", help="what to copy; - is standard input")
    add("destination", metavar="DEST", help="in the volume: a directory, or the copy's own path")
    add("-r", "--recursive", action="store_true", help="directories too; symlinks stay symlinks")


def _check_stream(arguments: argparse.Namespace) -> None:
    if len(arguments.local) > 1:
        raise UsageError("standard input (-) goes into one file, and can't be one of several")
    if passphrase_source(arguments).descriptor == 0:
        raise UsageError("standard input can't give both the passphrase and the content")


def _put_stream(upload: Upload, files: FileSystem, destination: str) -> None:
    if destination.endswith("/") or files.is_dir(destination):
        raise IsADirectory(f"{destination!r} is a directory; name the file to make in it")
    upload.put_stream(sys.stdin.buffer, destination)


def _run(arguments: argparse.Namespace) -> int:
    streamed = STREAM in arguments.local
    if streamed:
        _check_stream(arguments)
    destination = path_in_volume(arguments.destination)
    recursive = arguments.recursive
    problems = Problems()

    def total() -> int | None:
        if streamed:
            return None
        return sum(local_bytes(Path(word), recursive=recursive) for word in arguments.local)

    with (
        opened_volume(arguments, write=True) as files,
        TransferProgress("put", total) as progress,
    ):
        guard = VolumeFileGuard(split_target(arguments.file, arguments.volume)[0])
        upload = Upload(files, guard, problems, progress, recursive=recursive)
        if streamed:
            _put_stream(upload, files, destination)
            return problems.code
        sources = [to_volume_text(word) for word in arguments.local]
        for source, target in placed(sources, destination, files.is_dir):
            upload.put(Path(to_local_text(source)), target)
    return problems.code


COMMAND = Command(
    "put",
    "sqlfs put -r photos.sqlite ~/Pictures/2024 /",
    _add_arguments,
    _run,
    """\
Mode, owner, times, user xattrs and holes are kept, and with -r hard links among what is copied.
Symlinks are followed unless -r is given.""",
)
