"""The implementations that the contract is run against.

To plug one in, write a class that fits :class:`Implementation` and list it in
``IMPLEMENTATIONS``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from sqlfs.volume.session import Session
from tests.model.session import ModelSession
from tests.model.volume import ModelVolume


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


IMPLEMENTATIONS: dict[str, Callable[[Path], Implementation]] = {
    "model": Model,
}
