"""From a file's name to a session on one of its volumes, made if it is missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from fuse_driver.arguments import Arguments
from sqlfs import owner
from sqlfs.cli.secrets import PassphraseSource, read_passphrase
from sqlfs.cli.steps import verifying
from sqlfs.errors import NoSuchVolume, UsageError
from sqlfs.owner import Store
from sqlfs.types import VolumeInfo
from sqlfs.volume.session import Session

DEFAULT_VOLUME: Final = "main"

NO_SOURCE: Final = PassphraseSource()

Say = Callable[[str], None]


def early_passphrase(arguments: Arguments) -> bytes | None:
    """What can be known of the passphrase before anything is opened or made.

    That it cannot be read, or was mistyped, then leaves no new file behind.
    Raises UsageError, PassphraseNeeded.
    """
    asks = arguments.encrypt and not arguments.file.exists()
    name = arguments.volume or DEFAULT_VOLUME
    prompt = _new_prompt(name) if asks else None
    return read_passphrase(arguments.passphrase, prompt, confirm=True)


def open_store(arguments: Arguments, say: Say) -> Store:
    """Open the file: as its owner, or as a client of the process that is.  Raises InUse when that
    one can't be reached, and StoreError."""
    file = arguments.file
    is_new = not file.exists()
    with verifying() as progress:
        store = owner.open(
            file,
            create=arguments.options.makes_volumes,
            read_only=arguments.options.read_only,
            accept_state=arguments.accept_state,
            progress=progress,
        )
    if is_new:
        say(f"created {file}")
    for notice in store.notices:
        say(notice)
    return store


def open_session(
    store: Store, arguments: Arguments, passphrase: bytes | None, where: Path, say: Say
) -> Session:
    """A session on the volume that `arguments` name, or on the only one there is.

    Without a `passphrase`, whoever sits at the terminal is asked where one is needed.

    Raises NoSuchVolume, WrongPassphrase, PassphraseNeeded, NoPassphraseNeeded, UsageError.
    """
    volumes = {volume.name: volume for volume in store.volumes()}
    name = arguments.volume or _only_name(volumes, arguments.file)
    if name in volumes:
        if volumes[name].encrypted:
            passphrase = passphrase or read_passphrase(NO_SOURCE, f"Passphrase of volume {name!r}")
        elif arguments.encrypt:
            raise UsageError(
                f"volume {name!r} exists and is not encrypted: --encrypt is for new ones"
            )
    elif not arguments.options.makes_volumes:
        raise NoSuchVolume(f"{arguments.file} has no volume {name!r}: {_held(volumes)}")
    else:
        if arguments.encrypt and passphrase is None:
            passphrase = read_passphrase(NO_SOURCE, _new_prompt(name), confirm=True)
        store.create_volume(name, passphrase)
        kind = "plain" if passphrase is None else "encrypted"
        say(f"created {kind} volume {name!r} in {arguments.file}")
    return store.session(
        name,
        passphrase,
        read_only=arguments.options.read_only,
        door="fuse",
        where=str(where),
        atime=arguments.options.keeps_atime,
        subdir=arguments.options.subdir or "/",
    )


def _only_name(volumes: dict[str, VolumeInfo], file: Path) -> str:
    if len(volumes) > 1:
        raise UsageError(f"{file} has several volumes: {_held(volumes)}; say which by --volume")
    return next(iter(volumes), DEFAULT_VOLUME)


def _held(volumes: dict[str, VolumeInfo]) -> str:
    return f"it has {', '.join(map(repr, sorted(volumes))) or 'none'}"


def _new_prompt(volume: str) -> str:
    return f"New passphrase of volume {volume!r}"
