"""What a file holds beside the volume that the model follows: quotas, and other volumes.

There is no model of these: a state is what their sessions show at the time.
"""

from __future__ import annotations

import os
import random
from typing import Final

from blake3 import blake3

from sqlfs.types import Caller, Quota
from sqlfs.volume import VolumeFile
from sqlfs.volume.session import Session
from tests.power.tree_state import digest_of

_VOLUMES_MAX: Final = 2
_CHUNK_BYTES: Final = 4096
_NAMES: Final = (b"f", b"g")
# No life comes near them.
_QUOTAS: Final = tuple(Quota(size, nodes) for size in (0, 2**30) for nodes in (0, 10**6))
_ME: Final = Caller(0, 0)


class Beside:
    """The quota of volume `main`, which is unlocked, and all of every other volume."""

    def __init__(self, file: VolumeFile, main: str) -> None:
        self._file = file
        self._main = main
        self._sessions: dict[str, Session] = {}
        for info in file.volumes():
            if info.name != main:
                self._enter(info.name)

    def _enter(self, name: str) -> None:
        self._sessions[name] = self._file.session(name, atime=False, door="check")

    def state(self) -> bytes:
        found = [(self._main, self._file.quota(self._main), b"")]
        for name, session in sorted(self._sessions.items()):
            found.append((name, self._file.quota(name), digest_of(session)))
        return blake3(repr(found).encode()).digest()

    def set_quota(self, chance: random.Random) -> None:
        """Durable on return."""
        volume = chance.choice([self._main, *self._sessions])
        self._file.set_quota(volume, chance.choice(_QUOTAS))

    def make_volume(self) -> bool:
        """Whether there is room for one more, which is durable then."""
        if len(self._sessions) == _VOLUMES_MAX:
            return False
        name = f"other {len(self._sessions)}"
        self._file.create_volume(name, chunk_size=_CHUNK_BYTES)
        self._enter(name)
        return True

    def change(self, chance: random.Random) -> None:
        """Make or remove a file of another volume, if there is any; not durable."""
        if not self._sessions:
            return
        session = self._sessions[chance.choice(list(self._sessions))]
        name = chance.choice(_NAMES)
        there = {entry.name for entry in session.readdir(session.root, 0, 10)}
        if name in there:
            session.unlink(session.root, name)
            return
        # Often the same bytes: plain volumes share their chunks.
        content = random.Random(chance.randrange(3)).randbytes(chance.choice((90, 5000, 30_000)))
        _, handle = session.create(session.root, name, 0o600, os.O_WRONLY, _ME)
        session.write(handle, 0, content)
        session.release(handle)
