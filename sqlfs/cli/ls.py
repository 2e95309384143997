"""``sqlfs ls``: what is in a directory."""

from __future__ import annotations

import argparse
import os
import stat
from collections.abc import Iterator

from sqlfs.cli import output
from sqlfs.cli.command import Command, add_json_option
from sqlfs.cli.listing import SORTED_ENTRIES_MAX, directories, entries
from sqlfs.cli.measures import minute, short_size
from sqlfs.cli.nodes import JSON_FIELDS, fields, group_name, is_device, user_name
from sqlfs.cli.problems import Problems
from sqlfs.cli.target import add_target_arguments, opened_volume, path_in_volume
from sqlfs.volume.files import FileSystem


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target_arguments(parser)
    add = parser.add_argument
    add("path", metavar="PATH", nargs="*", help="what to list (default: the root)")
    add("-a", "--all", action="store_true", help="also names that start with a dot")
    add("-l", "--long", action="store_true", help="type, mode, links, owner, group, size, time")
    add("-h", "--human", action="store_true", help="with -l, sizes with units")
    add("-R", "--recursive", action="store_true", help="also what is below")
    add_json_option(parser)


class _Listing:
    def __init__(self, files: FileSystem, arguments: argparse.Namespace) -> None:
        self.problems = Problems()
        self._files = files
        self._hidden: bool = arguments.all
        self._long: bool = arguments.long
        self._human: bool = arguments.human
        self._recursive: bool = arguments.recursive
        self._titles = 0

    def print(self, paths: list[str]) -> None:
        titled = self._recursive or len(paths) > 1
        for path in paths:
            with self.problems.noted():
                status = self._status(path)
                if not stat.S_ISDIR(status.st_mode):
                    self._line(path, path, status)
                    continue
                for directory in self._directories(path):
                    if titled:
                        self._title(directory)
                    for entry in entries(self._files, directory, hidden=self._hidden):
                        self._line(entry.name, entry.path, entry.stat(follow_symlinks=False))

    def items(self, paths: list[str]) -> Iterator[output.Fields]:
        for path in paths:
            with self.problems.noted():
                status = self._status(path)
                if not stat.S_ISDIR(status.st_mode):
                    yield fields(self._files, path, status)
                    continue
                for directory in self._directories(path):
                    for entry in entries(self._files, directory, hidden=self._hidden):
                        yield fields(self._files, entry.path, entry.stat(follow_symlinks=False))

    def _status(self, path: str) -> os.stat_result:
        """Of what a symlink leads to if that is a directory to be listed, else of itself."""
        status = self._files.lstat(path)
        if stat.S_ISLNK(status.st_mode) and not self._long and self._files.is_dir(path):
            return self._files.stat(path)
        return status

    def _directories(self, path: str) -> Iterator[str]:
        if self._recursive:
            return directories(self._files, path, hidden=self._hidden)
        return iter([path])

    def _title(self, directory: str) -> None:
        if self._titles:
            output.line()
        self._titles += 1
        output.line(f"{output.shown(directory)}:")

    def _line(self, name: str, path: str, status: os.stat_result) -> None:
        text = output.shown(name)
        if self._long:
            if stat.S_ISLNK(status.st_mode):
                text += f" -> {output.shown(self._files.readlink(path))}"
            text = f"{self._columns(status)} {text}"
        output.line(text)

    def _columns(self, status: os.stat_result) -> str:
        if is_device(status):
            size = f"{os.major(status.st_rdev)}, {os.minor(status.st_rdev)}"
        else:
            size = short_size(status.st_size) if self._human else str(status.st_size)
        return (
            f"{stat.filemode(status.st_mode)} {status.st_nlink:>3}"
            f" {user_name(status.st_uid):<8} {group_name(status.st_gid):<8}"
            f" {size:>{6 if self._human else 12}} {minute(status.st_mtime_ns)}"
        )


def _run(arguments: argparse.Namespace) -> int:
    paths = [path_in_volume(word) for word in arguments.path or ["/"]]
    with opened_volume(arguments, write=False) as files:
        listing = _Listing(files, arguments)
        if arguments.json:
            output.documents(listing.items(paths))
        else:
            listing.print(paths)
    return listing.problems.code


COMMAND = Command(
    "ls",
    "sqlfs ls -l photos.sqlite /2024",
    _add_arguments,
    _run,
    f"""\
Entries come by name; those of a directory with more than {SORTED_ENTRIES_MAX:,} in the order in
which they were made.

{JSON_FIELDS}""",
)
