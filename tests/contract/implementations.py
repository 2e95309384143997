"""The implementations that the contract is run against.

To plug one in, write a class that fits :class:`Implementation` and list it in
``IMPLEMENTATIONS``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from sqlfs.crypto import KdfParameters
from sqlfs.volume import VolumeFile
from sqlfs.volume.session import Session
from tests.model.session import ModelSession
from tests.model.volume import ModelVolume

VOLUME = "contract"
PASSPHRASE = b"correct horse"

# Small, so that files of a few hundred KiB have manifests of manifests.
CHUNK_BYTES = 4096
QUICK_KDF = KdfParameters(memory_kib=64, passes=1, lanes=1)


class Implementation(Protocol):
    """One empty volume, and as many sessions on it as a test asks for."""

    def session(self, *, read_only: bool = False) -> Session: ...

    def reopen(self) -> None:
        """Close all sessions and the volume, and open it again from where it is kept."""

    def close(self) -> None: ...


class Model:
    def __init__(self, _directory: Path) -> None:
        self._volume = ModelVolume()
        self._sessions: list[ModelSession] = []

    def session(self, *, read_only: bool = False) -> Session:
        session = ModelSession(read_only, self._volume)
        self._sessions.append(session)
        return session

    def reopen(self) -> None:
        for session in self._sessions:
            session.close()

    def close(self) -> None:
        self.reopen()


class Direct:
    """Sessions in the process that owns the file."""

    passphrase: bytes | None = None

    def __init__(self, directory: Path) -> None:
        self._path = directory / "contract.sqlite"
        self._file = VolumeFile.open(self._path, create=True)
        self._file.create_volume(VOLUME, self.passphrase, chunk_size=CHUNK_BYTES, kdf=QUICK_KDF)

    def session(self, *, read_only: bool = False) -> Session:
        return self._file.session(VOLUME, passphrase=self.passphrase, read_only=read_only)

    def reopen(self) -> None:
        self._file.close()
        self._file = VolumeFile.open(self._path)

    def close(self) -> None:
        self._file.close()


class DirectEncrypted(Direct):
    passphrase = PASSPHRASE


IMPLEMENTATIONS: dict[str, Callable[[Path], Implementation]] = {
    "model": Model,
    "direct": Direct,
    "direct-encrypted": DirectEncrypted,
}
