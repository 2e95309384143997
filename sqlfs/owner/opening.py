"""Opening a volume file: as its owner, or as a client of its owner."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Final

from sqlfs.errors import AlreadyExists, InUse
from sqlfs.owner.channel import Channel
from sqlfs.owner.direct import DirectStore
from sqlfs.owner.remote import RemoteStore
from sqlfs.owner.store import Store
from sqlfs.volume import VolumeFile

# How long an owner may take from its lock to its socket, or from closing that to unlocking.
_SETTLED_S_MAX: Final = 3.0
_RETRY_S: Final = 0.02

# Between the file's descriptor and the socket, this process must not open the file again.
_opening = threading.Lock()


def open(
    path: str | bytes | os.PathLike[str] | os.PathLike[bytes],
    *,
    create: bool = False,
    read_only: bool = False,
    accept_state: bool = False,
) -> Store:
    """Open the volume file at `path`; with `create`, make an empty one if there is none.

    Whoever is first owns the file and serves the others, which become its clients: this process
    may be either, and :attr:`Store.is_owner` tells which.  `accept_state` goes on from the state
    that the file holds when the log that belongs to it is missing.

    Raises NotFound, NotAVolumeFile, UnsupportedFormat, Corrupt, MissingLog, ReadOnly,
    NotPermitted; InUse when the owner can't be reached, and PeerRefused when it does not serve
    this user.
    """
    place = Path(os.fsdecode(path)).resolve()
    deadline = time.monotonic() + _SETTLED_S_MAX
    while True:
        try:
            with _opening:
                channel = Channel.find(place)
                if channel is not None:
                    return _become_client(place, channel, read_only)
                return DirectStore(
                    VolumeFile.open(
                        place, create=create, read_only=read_only, accept_state=accept_state
                    )
                )
        except (InUse, AlreadyExists):
            # Somebody else was quicker, or is about to be done: both end within moments.
            if time.monotonic() > deadline:
                raise
        time.sleep(_RETRY_S)


def _become_client(path: Path, channel: Channel, read_only: bool) -> RemoteStore:
    try:
        return RemoteStore(path, channel, read_only=read_only)
    except BaseException:
        channel.close()
        raise
