"""A client is told what others changed, and its word that it heard is waited for."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from sqlfs.errors import ConnectionLost
from sqlfs.owner.frames import send
from sqlfs.owner.verbs import CHANGES, CHANGES_MAX
from sqlfs.types import Change

# Whoever changed something is held up by a listener; by one that is hung, once.
HEARD_S_MAX: Final = 1.0

log = logging.getLogger(__name__)


class Connected(Protocol):
    def hang_up(self) -> None: ...


class Hearing:
    """The owner's end of a subscription.

    Of two threads, one tells and waits (:meth:`tell`, in the verb of another session), the
    other receives (:meth:`heard`, :meth:`end`).
    """

    def __init__(self, connection: socket.socket, ends_with: Iterable[Connected]) -> None:
        self._connection = connection
        self._ends_with = tuple(ends_with)
        self._telling = threading.Lock()
        self._begun = threading.Event()
        self._word = threading.Event()
        self._ended = False

    def begin(self) -> None:
        """The client was answered, and takes what comes now for changes."""
        self._begun.set()

    def tell(self, changes: Sequence[Change]) -> None:
        """Return when the client has heard of `changes`.  One that does not answer in time loses
        its session: what it remembers would be wrong from here on."""
        with self._telling:
            if not self._begun.wait(HEARD_S_MAX):
                self.end()
            for start in range(0, len(changes), CHANGES_MAX):
                if self._ended:
                    return
                self._word.clear()
                try:
                    send(self._connection, [CHANGES.encode(changes[start : start + CHANGES_MAX])])
                except ConnectionLost:
                    self.end()
                    return
                if not self._word.wait(HEARD_S_MAX):
                    log.info("a client did not hear of changes in time; its session ends")
                    self.end()

    def heard(self) -> None:
        self._word.set()

    def end(self) -> None:
        """Tell nothing any more, and end the session that would have heard it.  Idempotent."""
        self._ended = True
        self._begun.set()
        self._word.set()
        for connected in self._ends_with:
            connected.hang_up()
