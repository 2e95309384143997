"""Every command with its help line.  The module of its name is loaded when it is used."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from sqlfs.errors import UsageError

if TYPE_CHECKING:
    from sqlfs.cli.command import Command

# In the order of --help.
COMMANDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "init": "make a volume, and its file if there is none",
        "info": "show facts about a volume file, locked or not",
        "volumes": "list the volumes of a file",
        "mounts": "list the users of a file, or all sqlfs mounts of this machine",
        "umount": "end a mount, and return when its file is whole",
        "ls": "list directories",
        "tree": "draw a directory and everything below it",
        "stat": "show the attributes of files and directories",
        "cat": "write the content of files to standard output",
        "put": "copy local files into a volume",
        "get": "copy files of a volume to local ones",
        "cp": "copy within a volume; content is shared, and takes no room twice",
        "mv": "move or rename within a volume",
        "rm": "remove files, and with -r directories",
        "mkdir": "make directories",
        "ln": "give a file another name, or make a symlink",
        "df": "show how full a volume is, and what room it can grow into",
        "quota": "show or set how much a volume may hold",
        "backup": "copy a file in use, as of one moment, to another file or a pipe",
        "check": "check that a file is sound; the exit code is 5 if it is not",
        "scrub": "read all content in the background, to find damage early",
        "salvage": "get out what is intact of a file that can't be opened",
        "version": "show the version of sqlfs and of its file format",
    }
)


def command(name: str) -> Command:
    """Raises UsageError for a name that is none."""
    if name not in COMMANDS:
        raise UsageError(f"there is no command {name!r}; see sqlfs --help")
    found: Command = importlib.import_module(f"sqlfs.cli.{name}").COMMAND
    return found
