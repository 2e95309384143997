"""``sqlfs ln``: hard links and symlinks."""

from __future__ import annotations

import argparse
import posixpath

from sqlfs.cli.command import Command
from sqlfs.cli.local import to_volume_text
from sqlfs.cli.target import add_target_arguments, opened_volume, path_in_volume


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target_arguments(parser)
    add = parser.add_argument
    add("target", metavar="TARGET", help="what the link leads to; with -s any text")
    add("link", metavar="LINK", help="the new name, or a directory to make it in")
    add("-s", "--symbolic", action="store_true", help="make a symlink")


def _run(arguments: argparse.Namespace) -> int:
    target = to_volume_text(arguments.target)
    link = path_in_volume(arguments.link)
    with opened_volume(arguments, write=True) as files:
        if files.is_dir(link):
            link = posixpath.join(link, posixpath.basename(target.rstrip("/")))
        if arguments.symbolic:
            files.symlink(target, link)
        else:
            files.link(path_in_volume(arguments.target), link)
    return 0


COMMAND = Command(
    "ln",
    "sqlfs ln -s photos.sqlite 2024/july /latest",
    _add_arguments,
    _run,
)
