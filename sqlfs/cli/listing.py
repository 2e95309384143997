"""The entries of a directory in the order in which people look for them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final

from sqlfs.volume.entries import Entry
from sqlfs.volume.files import FileSystem

# More entries than this are not held in memory, and so come in the order they were made.
SORTED_ENTRIES_MAX: Final = 20_000


def entries(files: FileSystem, path: str, *, hidden: bool) -> Iterator[Entry[str]]:
    """By name; without `hidden`, none whose name starts with a dot."""
    with files.scandir(path) as scan:
        wanted = (entry for entry in scan if hidden or not entry.name.startswith("."))
        first = list(itertools.islice(wanted, SORTED_ENTRIES_MAX + 1))
        if len(first) <= SORTED_ENTRIES_MAX:
            first.sort(key=lambda entry: entry.name)
        yield from first
        yield from wanted


def directories(files: FileSystem, path: str, *, hidden: bool) -> Iterator[str]:
    """`path` and the directories below it, each before those in it; symlinks are not followed."""
    branches = [iter([path])]
    while branches:
        at = next(branches[-1], None)
        if at is None:
            branches.pop()
            continue
        yield at
        branches.append(_subdirectories(files, at, hidden=hidden))


def _subdirectories(files: FileSystem, path: str, *, hidden: bool) -> Iterator[str]:
    for entry in entries(files, path, hidden=hidden):
        if entry.is_dir(follow_symlinks=False):
            yield entry.path
