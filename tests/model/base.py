"""What all verbs of a model session stand on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from sqlfs.errors import BadHandle, ReadOnly
from sqlfs.types import Change
from tests.model.volume import ModelVolume


class SessionState:
    """One user of a model volume, without verbs."""

    def __init__(self, state: ModelVolume, read_only: bool) -> None:
        self._state = state
        self._read_only = read_only
        self._closed = False

    @contextmanager
    def _reading(self) -> Iterator[ModelVolume]:
        with self._state.lock:
            if self._closed:
                raise BadHandle("the session is closed")
            yield self._state

    def _changing(self) -> AbstractContextManager[list[Change]]:
        """Every mutating verb runs inside; what it notes is told to the other sessions."""
        if self._closed:
            raise BadHandle("the session is closed")
        if self._read_only:
            raise ReadOnly("the session is read-only")
        return self._state.changing(self)
