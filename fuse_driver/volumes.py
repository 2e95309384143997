"""From a file's name to a session on one of its volumes, made if it is missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from fuse_driver.arguments import Arguments
from sqlfs import owner
from sqlfs.cli.secrets import read_passphrase
from sqlfs.errors import InUse, NoSuchVolume, UsageError
from sqlfs.owner import Store
from sqlfs.types import MountInfo, VolumeInfo
from sqlfs.volume.session import Session

DEFAULT_VOLUME: Final = "main"

Say = Callable[[str], None]


def open_store(arguments: Arguments, say: Say) -> Store:
    """Open the file as its owner.  Raises InUse when another process is that, and StoreError."""
    read_only = arguments.options.read_only
    is_new = not arguments.file.exists()
    store = owner.open(
        arguments.file,
        create=not read_only,
        read_only=read_only,
        accept_state=arguments.accept_state,
    )
    if not store.is_owner:
        try:
            raise _in_use(arguments.file, store.mounts())
        finally:
            store.close()
    if is_new:
        say(f"created {arguments.file}")
    for notice in store.notices:
        say(notice)
    return store


def _in_use(file: Path, mounts: list[MountInfo]) -> InUse:
    mounted = [mount for mount in mounts if mount.door == "fuse"]
    if mounted:
        return InUse(
            f"{file} is already mounted at {mounted[0].where} by pid {mounted[0].pid}: "
            "unmount it there first"
        )
    users = ", ".join(f"pid {mount.pid} ({mount.door})" for mount in mounts)
    return InUse(f"{file} is in use by {users or 'another process'}: end that first")


def open_session(store: Store, arguments: Arguments, where: Path, say: Say) -> Session:
    """A session on the volume that `arguments` name, or on the only one there is.

    Raises NoSuchVolume, WrongPassphrase, PassphraseNeeded, NoPassphraseNeeded, UsageError.
    """
    volumes = {volume.name: volume for volume in store.volumes()}
    name = arguments.volume or _only_name(volumes, arguments.file)
    if name in volumes:
        passphrase = _existing_passphrase(volumes[name], arguments)
    elif arguments.options.read_only:
        raise NoSuchVolume(f"{arguments.file} has no volume {name!r}: {_held(volumes)}")
    else:
        passphrase = _new_passphrase(name, arguments)
        store.create_volume(name, passphrase)
        kind = "plain" if passphrase is None else "encrypted"
        say(f"created {kind} volume {name!r} in {arguments.file}")
    return store.session(
        name,
        passphrase,
        read_only=arguments.options.read_only,
        door="fuse",
        where=str(where),
    )


def _only_name(volumes: dict[str, VolumeInfo], file: Path) -> str:
    if len(volumes) > 1:
        raise UsageError(f"{file} has several volumes: {_held(volumes)}; say which by --volume")
    return next(iter(volumes), DEFAULT_VOLUME)


def _held(volumes: dict[str, VolumeInfo]) -> str:
    return f"it has {', '.join(map(repr, sorted(volumes))) or 'none'}"


def _existing_passphrase(volume: VolumeInfo, arguments: Arguments) -> bytes | None:
    if not volume.encrypted:
        if arguments.encrypt:
            raise UsageError(
                f"volume {volume.name!r} exists and is not encrypted: --encrypt makes new ones only"
            )
        return read_passphrase(arguments.passphrase)
    return read_passphrase(arguments.passphrase, f"Passphrase of volume {volume.name!r}")


def _new_passphrase(name: str, arguments: Arguments) -> bytes | None:
    prompt = f"New passphrase of volume {name!r}" if arguments.encrypt else None
    return read_passphrase(arguments.passphrase, prompt, confirm=True)
