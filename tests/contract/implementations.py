"""The implementations that the contract is run against.

To plug one in, write a class that fits :class:`Implementation` and list it in
``IMPLEMENTATIONS``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from sqlfs.crypto import KdfParameters
from sqlfs.owner import Store
from sqlfs.owner import open as open_store
from sqlfs.volume import VolumeFile
from sqlfs.volume.session import Session
from tests.model.anchored import AnchoredModelSession
from tests.model.session import ModelSession
from tests.model.volume import ModelVolume

VOLUME = "contract"
PASSPHRASE = b"correct horse"

# Small, so that files of a few hundred KiB have manifests of manifests.
CHUNK_BYTES = 4096
QUICK_KDF = KdfParameters(memory_kib=64, passes=1, lanes=1)


class Implementation(Protocol):
    """One empty volume, and as many sessions on it as a test asks for."""

    def session(self, *, read_only: bool = False, subdir: bytes = b"/") -> Session: ...

    def reopen(self) -> None:
        """Close all sessions and the volume, and open it again from where it is kept."""

    def close(self) -> None: ...


class Model:
    def __init__(self, _directory: Path) -> None:
        self._volume = ModelVolume()
        self._sessions: list[ModelSession] = []

    def session(self, *, read_only: bool = False, subdir: bytes = b"/") -> Session:
        session = AnchoredModelSession(read_only, self._volume, subdir)
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

    def session(self, *, read_only: bool = False, subdir: bytes = b"/") -> Session:
        return self._file.session(
            VOLUME, passphrase=self.passphrase, read_only=read_only, subdir=subdir
        )

    def reopen(self) -> None:
        self._file.close()
        self._file = VolumeFile.open(self._path)

    def close(self) -> None:
        self._file.close()


class DirectEncrypted(Direct):
    passphrase = PASSPHRASE


class Client:
    """Sessions over the socket of the owner, which lives in this process too; encrypted."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "contract.sqlite"
        self._owner, self._client = self._open(create=True)
        self._owner.create_volume(VOLUME, PASSPHRASE, chunk_size=CHUNK_BYTES, kdf=QUICK_KDF)

    def _open(self, create: bool = False) -> tuple[Store, Store]:
        owner = open_store(self._path, create=create)
        client = open_store(self._path)
        assert owner.is_owner
        assert not client.is_owner
        return owner, client

    def session(self, *, read_only: bool = False, subdir: bytes = b"/") -> Session:
        return self._client.session(VOLUME, PASSPHRASE, read_only=read_only, subdir=subdir)

    def reopen(self) -> None:
        self.close()
        self._owner, self._client = self._open()

    def close(self) -> None:
        self._client.close()
        self._owner.close()


class OwnerAndClient(Client):
    """Sessions on both ends of the socket, in turn."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._made = 0

    def session(self, *, read_only: bool = False, subdir: bytes = b"/") -> Session:
        self._made += 1
        store = self._owner if self._made % 2 else self._client
        return store.session(VOLUME, PASSPHRASE, read_only=read_only, subdir=subdir)


IMPLEMENTATIONS: dict[str, Callable[[Path], Implementation]] = {
    "model": Model,
    "direct": Direct,
    "direct-encrypted": DirectEncrypted,
    "client": Client,
}

# For what concerns two sessions, it matters too that they may be of two kinds.
PAIRS = IMPLEMENTATIONS | {"owner-and-client": OwnerAndClient}


@contextmanager
def started(name: str, directory: Path) -> Iterator[Implementation]:
    """An implementation with its empty volume in `directory`, closed at the end."""
    implementation = PAIRS[name](directory)
    try:
        yield implementation
    finally:
        implementation.close()
