"""FILE, FILE:VOLUME and paths: from words on the command line to an open volume."""

from __future__ import annotations

import argparse
import functools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from sqlfs import owner
from sqlfs.cli.local import to_volume_text
from sqlfs.cli.output import complaint
from sqlfs.cli.secrets import add_passphrase_options, passphrase_source, read_passphrase
from sqlfs.cli.steps import verifying
from sqlfs.crypto import protect_process
from sqlfs.errors import (
    ConnectionLost,
    Invalid,
    MissingLog,
    NoSuchVolume,
    ReadOnly,
    UsageError,
)
from sqlfs.owner import Store
from sqlfs.types import VolumeInfo
from sqlfs.volume.files import FileSystem

DEFAULT_VOLUME: Final = "main"
DOOR: Final = "cli"

# How many owners in a row may end while they are being asked.
_ATTEMPTS: Final = 10


def add_file_argument(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    """For commands on the file as a whole."""
    parser.add_argument(
        "file", metavar="FILE", nargs="?" if optional else None, help="the volume file"
    )
    parser.add_argument(
        "--accept-state",
        action="store_true",
        help="go on although FILE's log is missing or damaged",
    )


def add_target_arguments(parser: argparse.ArgumentParser) -> None:
    """For commands on one volume."""
    parser.add_argument(
        "file", metavar="FILE", help="the volume file, or FILE:VOLUME if it holds several volumes"
    )
    parser.add_argument("--volume", metavar="V", help="the volume's name; FILE is a path then")
    parser.add_argument(
        "--accept-state",
        action="store_true",
        help="go on although FILE's log is missing or damaged",
    )
    add_passphrase_options(parser)


def split_target(file: str, volume: str | None) -> tuple[Path, str | None]:
    """FILE[:VOLUME] as a path and a volume's name.

    With `volume` given otherwise, `file` is a path as a whole, and so is one that exists.
    """
    if volume is None and not os.path.lexists(file):
        path, _, named = file.rpartition(":")
        if path and named:
            return Path(path), named
    return Path(file), volume


def path_in_volume(word: str) -> str:
    """An absolute path from one that is absolute or starts at the root.  Raises UsageError."""
    if not word:
        raise UsageError("an empty path names nothing; the root is /")
    path = to_volume_text(word)
    return path if path.startswith("/") else "/" + path


@contextmanager
def opened_file(
    path: Path, *, write: bool, create: bool = False, accept_state: bool = False
) -> Iterator[Store]:
    """The file at `path`, in this process or through the one that owns it.

    Raises what :func:`sqlfs.owner.open` does.
    """
    with _open(path, write=write, create=create, accept_state=accept_state) as store:
        for notice in store.notices:
            complaint(notice)
        yield store


def _open(path: Path, *, write: bool, create: bool, accept_state: bool) -> Store:
    # For reading, too, open it to write: others may want to while this process owns it.
    with verifying() as progress:
        try:
            return owner.open(path, create=create, accept_state=accept_state, progress=progress)
        except (ReadOnly, MissingLog, Invalid):
            if write:
                raise
            return owner.open(path, read_only=True, progress=progress)


@contextmanager
def opened_volume(arguments: argparse.Namespace, *, write: bool) -> Iterator[FileSystem]:
    """The volume that the arguments of :func:`add_target_arguments` name, unlocked.

    What was written is durable at the end of the block.  Raises NoSuchVolume, UsageError,
    WrongPassphrase, PassphraseNeeded, NoPassphraseNeeded, and what :func:`opened_file` does.
    """
    # Asked for once, however often the volume is opened.
    passphrase = functools.cache(lambda volume: passphrase_of(volume, arguments))
    with ExitStack() as held:
        for attempt in range(_ATTEMPTS):
            try:
                files = _enter(held, arguments, passphrase, write=write)
                break
            except ConnectionLost:
                # The owner was about to end; nothing has been done yet.
                if attempt == _ATTEMPTS - 1:
                    raise
        yield files


def _enter(
    held: ExitStack,
    arguments: argparse.Namespace,
    passphrase: Callable[[VolumeInfo], bytes | None],
    *,
    write: bool,
) -> FileSystem:
    """Open file and volume; `held` closes them."""
    path, named = split_target(arguments.file, arguments.volume)
    with ExitStack() as opened:
        store = opened.enter_context(
            opened_file(path, write=write, accept_state=arguments.accept_state)
        )
        volume = chosen_volume(store, named)
        files = opened.enter_context(
            store.mount(volume.name, passphrase(volume), read_only=not write, door=DOOR)
        )
        held.enter_context(opened.pop_all())
        return files


def unlocked(store: Store, named: str | None, arguments: argparse.Namespace) -> ExitStack:
    """Hold open the volume that is named, or that a passphrase is given for: what looks at a file
    as a whole sees what is unlocked."""
    held = ExitStack()
    volumes = store.volumes()
    if named is not None or (passphrase_source(arguments).is_given and volumes):
        volume = chosen_volume(store, named)
        passphrase = passphrase_of(volume, arguments)
        held.enter_context(store.mount(volume.name, passphrase, read_only=True, door=DOOR))
    return held


def locked_volumes(store: Store) -> list[str]:
    """The names of those that nobody has unlocked."""
    opened = {mount.volume for mount in store.mounts()}
    return [
        volume.name for volume in store.volumes() if volume.encrypted and volume.name not in opened
    ]


def chosen_volume(store: Store, named: str | None) -> VolumeInfo:
    """The volume called `named`, or the only one.  Raises NoSuchVolume, UsageError."""
    volumes = store.volumes()
    names = ", ".join(repr(volume.name) for volume in volumes)
    if not volumes:
        raise NoSuchVolume(f"{store.path} has no volume; make one by: sqlfs init {store.path}")
    if named is None:
        if len(volumes) > 1:
            raise UsageError(f"{store.path} has several volumes ({names}); choose by --volume")
        return volumes[0]
    for volume in volumes:
        if volume.name == named:
            return volume
    raise NoSuchVolume(f"{store.path} has no volume {named!r}; it has {names}")


def passphrase_of(volume: VolumeInfo, arguments: argparse.Namespace) -> bytes | None:
    """What the options say, else what is typed; None for a plain volume without options."""
    if volume.encrypted:
        protect_process()
    prompt = f"Passphrase of volume {volume.name!r}" if volume.encrypted else None
    return read_passphrase(passphrase_source(arguments), prompt)
