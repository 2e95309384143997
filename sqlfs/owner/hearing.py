"""A client is told what others changed, and its word that it heard is waited for."""

from __future__ import annotations

import logging
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from sqlfs.errors import ConnectionLost
from sqlfs.owner.frames import send
from sqlfs.owner.verbs import CHANGES, CHANGES_MAX
from sqlfs.types import Change

# Whoever changed something is held up by a listener; by one that is hung, once.  By one whose own
# verb waits for something here meanwhile, and whose kernel may wait for that, each time.
HEARD_S_MAX: Final = 1.0
_LOOK_S: Final = 0.05  # between two looks whether it still waits for something here

_TIMEVAL = struct.Struct("@ll")

log = logging.getLogger(__name__)


class Hearing:
    """The owner's end of a subscription.

    Many threads tell and wait (:meth:`tell`, in the verbs of other sessions), one receives
    (:meth:`heard`, :meth:`end`).

    The client's kernel may hold a lock for a verb of its own until that is answered, and need
    the same lock to forget.  So a client is told, but not waited for, while its own session is
    telling others: each would wait for the other.  But no file is opened for it before it has
    caught up (:meth:`catch_up`): what others closed before, it finds.
    """

    def __init__(
        self, connection: socket.socket, is_busy: Callable[[], bool], hang_up: Callable[[], None]
    ) -> None:
        self._connection = connection
        self._is_busy = is_busy
        self._hang_up = hang_up
        self._sending = threading.Lock()
        self._state = threading.Condition()
        self._begun = False  # these five are guarded by _state
        self._ended = False
        self._sent = 0  # messages
        self._heard = 0  # of them, how many the client gave its word for
        self._tellings = 0  # verbs of the session itself that are telling others now
        seconds, fraction = divmod(HEARD_S_MAX, 1)
        limit = _TIMEVAL.pack(int(seconds), int(fraction * 1_000_000))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    def begin(self) -> None:
        """The client was answered, and takes what comes now for changes."""
        with self._state:
            self._begun = True
            self._state.notify_all()

    def tell(self, changes: Sequence[Change]) -> None:
        """Return when the client has heard of `changes`, or can't before its own verb returns.
        One that does not answer in time, though nothing holds it up here, loses its session: what
        it remembers would be wrong from here on."""
        with self._state:
            if not self._state.wait_for(lambda: self._begun or self._ended, HEARD_S_MAX):
                self.end()
        for start in range(0, len(changes), CHANGES_MAX):
            self._wait(self._send([CHANGES.encode(changes[start : start + CHANGES_MAX]), False]))

    def ask_for_end(self) -> None:
        """Ask the client to end its session, whatever it is for, when it can."""
        self._send([[], True])

    def _send(self, message: list[object]) -> int:
        with self._sending:
            with self._state:
                if self._ended:
                    return 0
                self._sent += 1
                number = self._sent
            try:
                send(self._connection, message)
            except ConnectionLost:
                self.end()
        return number

    def _wait(self, number: int) -> None:
        begun = time.monotonic()
        with self._state:
            while not self._ended and self._heard < number and not self._tellings:
                left = HEARD_S_MAX - (time.monotonic() - begun)
                busy = self._is_busy()
                if left <= 0:
                    if not busy:
                        log.info("a client did not hear of changes in time; its session ends")
                        self.end()
                    return
                self._state.wait(min(left, _LOOK_S) if busy else left)

    def catch_up(self) -> None:
        """Return when the client has heard all that it was told, if that was not waited for."""
        with self._state:
            sent = self._sent
            self._state.wait_for(lambda: self._heard >= sent or self._ended, HEARD_S_MAX)

    def own_telling(self, begins: bool) -> None:
        """A verb of the session itself begins, or ends, to tell others."""
        with self._state:
            self._tellings += 1 if begins else -1
            self._state.notify_all()

    def heard(self) -> None:
        with self._state:
            self._heard += 1
            self._state.notify_all()

    def end(self) -> None:
        """Tell nothing any more, and end the session that would have heard it.  Idempotent."""
        with self._state:
            self._ended = True
            self._state.notify_all()
        self._hang_up()
