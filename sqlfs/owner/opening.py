"""Opening a volume file: as its owner, or as a client of its owner."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from sqlfs.errors import AlreadyExists, InUse, NotPermitted, ReadOnly
from sqlfs.owner.channel import Channel
from sqlfs.owner.direct import DirectBackend
from sqlfs.owner.remote import RemoteBackend
from sqlfs.owner.store import Store
from sqlfs.owner.succession import Backend, Succession
from sqlfs.volume import VolumeFile

# How long an owner may take from its lock to its socket, or from closing that to unlocking.
_SETTLED_S_MAX: Final = 10.0
_RETRY_S: Final = 0.02

# Between the file's descriptor and the socket, this process must not open the file again.
_opening = threading.Lock()


def open(
    path: str | bytes | os.PathLike[str] | os.PathLike[bytes],
    *,
    create: bool = False,
    read_only: bool = False,
    accept_state: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Store:
    """Open the volume file at `path`; with `create`, make an empty one if there is none.

    Whoever is first owns the file and serves the others, which become its clients: this process
    may be either, and :attr:`Store.is_owner` tells which at the moment.  `accept_state` goes on
    from the state that the file holds when the log that belongs to it is missing.
    `progress` is called while a copy is verified, as it is when it is first opened, with the rows
    that were, and how many there are.

    Raises NotFound, NotAVolumeFile, UnsupportedFormat, Corrupt, MissingLog, ReadOnly,
    NotPermitted; InUse when the owner can't be reached, and PeerRefused when it does not serve
    this user.
    """
    place = Path(os.fsdecode(path)).resolve()
    deadline = time.monotonic() + _SETTLED_S_MAX
    while True:
        try:
            with _opening:
                client = _as_client(place, read_only)
                backend: Backend = client or DirectBackend(
                    VolumeFile.open(
                        place,
                        create=create,
                        read_only=read_only,
                        accept_state=accept_state,
                        progress=progress,
                    )
                )
            succession = Succession(backend, partial(_again, place, read_only))
            return Store(succession, read_only=read_only)
        except (InUse, AlreadyExists):
            # Somebody else was quicker, or is about to be done: both end within moments.
            if time.monotonic() > deadline:
                raise
        time.sleep(_RETRY_S)


def _again(path: Path, read_only: bool, may_own: bool) -> Backend | None:
    """One attempt to find, or to become, the owner that follows on another; None when there is
    none, and this process may not be it.  Raises as :func:`open` does."""
    with _opening:
        client = _as_client(path, read_only)
        if client is not None or not may_own:
            return client
        try:
            # Also for who only reads: others may want to write while this process owns it.
            file = VolumeFile.open(path)
        except (ReadOnly, NotPermitted):
            if not read_only:
                raise
            file = VolumeFile.open(path, read_only=True)
        return DirectBackend(file)


def _as_client(path: Path, read_only: bool) -> RemoteBackend | None:
    channel = Channel.find(path)
    if channel is None:
        return None
    if channel.greeting.read_only and not read_only:
        channel.close()
        raise ReadOnly(
            f"{path} was opened read-only by process {channel.owner.pid}; open it read-only,"
            " or end that one"
        )
    return RemoteBackend(path, channel, read_only=read_only)
