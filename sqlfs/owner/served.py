"""A session that the owner holds for a client, and the connections that speak for it."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from sqlfs.errors import ConnectionLost, SqlfsError
from sqlfs.owner.frames import Malformed
from sqlfs.owner.hearing import Hearing
from sqlfs.owner.verbs import STEPWISE_VERBS
from sqlfs.volume.direct import DirectSession

_TOKEN_BYTES: Final = 16

log = logging.getLogger(__name__)


class Connected(Protocol):
    def hang_up(self) -> None: ...


class Served:
    """`session`, of process `pid`: it ends with the first of its connections, for all of them.

    The lock guards the connections.  Whoever leaves last closes the session: no verb of it is
    under way then.
    """

    def __init__(self, session: DirectSession, pid: int, door: str, where: str) -> None:
        self.session = session
        self.pid = pid
        self.door = door
        self.where = where
        self.token = secrets.token_bytes(_TOKEN_BYTES)
        self._lock = threading.Lock()
        self._connections: set[Connected] = set()
        self._hearings: list[Hearing] = []
        self._ended = False
        self._busy = 0  # changing verbs under way; guarded by _lock
        self.released = threading.Event()

    def join(self, connection: Connected) -> None:
        """`connection` speaks for the session from here on.  Raises ConnectionLost."""
        with self._lock:
            if self._ended:
                raise ConnectionLost("the session has ended")
            self._connections.add(connection)

    def leave(self, connection: Connected) -> None:
        """One connection ends, and so do the others."""
        self.end()
        with self._lock:
            self._connections.discard(connection)
            is_last = not self._connections and not self.released.is_set()
        if is_last:
            try:
                self.session.close()
            except SqlfsError as error:
                log.error("closing a session of process %d: %s", self.pid, error)
            self.released.set()

    def end(self) -> None:
        """Hang up.  Idempotent."""
        with self._lock:
            self._ended = True
            connections = tuple(self._connections)
        for connection in connections:
            connection.hang_up()

    # --- being told of changes ---

    def listen(self, hearing: Hearing) -> None:
        # Nothing is missed from here on.
        self.session.subscribe(hearing.tell, hearing.own_telling)
        with self._lock:
            self._hearings.append(hearing)

    def ask_for_end(self) -> bool:
        """Ask the client to end the session when it can; False when it does not listen."""
        with self._lock:
            hearings: Sequence[Hearing] = tuple(self._hearings)
        for hearing in hearings:
            hearing.ask_for_end()
        return bool(hearings)

    def is_busy(self) -> bool:
        """Whether a verb that changes something is under way."""
        return self._busy > 0

    def change(self, number: int, verb: Callable[..., object], *args: object) -> object:
        """Perform a verb that changes something, and is `number` of its session unless that is 0.
        Raises Malformed for one that was done already."""
        session = self.session
        if verb.__name__ == "open":
            for hearing in tuple(self._hearings):
                hearing.catch_up()
        if number and number <= session.applied:
            raise Malformed(f"verb {number} once more")
        with self._lock:
            self._busy += 1
        # One that takes several steps counts as done after the last.  One without a number may
        # run beside another that has one, and leaves that alone.
        if number and verb.__name__ not in STEPWISE_VERBS:
            session.number = number
        try:
            result = verb(*args)
            session.done(number)
            return result
        finally:
            with self._lock:
                self._busy -= 1
