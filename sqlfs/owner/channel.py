"""A client's connection to the owner of a volume file."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from sqlfs.errors import ConnectionLost, Invalid
from sqlfs.owner import rendezvous
from sqlfs.owner.codec import decode_error
from sqlfs.owner.frames import Malformed, receive, send
from sqlfs.owner.rendezvous import Peer
from sqlfs.owner.verbs import GREETING, OUTSIDE, PROTOCOL, PROTOCOL_VERSION, Greeting, Verb

# An owner that is alive greets at once; one that is stopped or hung must not hang its clients.
GREETING_S_MAX: Final = 10.0

P = ParamSpec("P")
R = TypeVar("R")


class Farewell(ConnectionLost):
    """The owner closed the file in good order: all that it acknowledged is durable."""


class Channel:
    """One connection to the owner: a request, its answer, the next request.  Thread-safe."""

    def __init__(
        self, connection: socket.socket, peer: Peer, place: Path, path: Path, file_uid: int
    ) -> None:
        self.owner = peer
        self._connection = connection
        self._place = place
        self._path = path
        self._file_uid = file_uid
        self._lock = threading.Lock()
        self._sequence = OUTSIDE
        self._process = os.getpid()
        self._lost: ConnectionLost | None = None
        self.settled = 0  # what the last answer told: of the session's verbs, the last committed
        self.is_congested = False  # and whether the next one might have to wait
        self.greeting = self._greet()

    @classmethod
    def find(cls, path: Path) -> Channel | None:
        """A channel to the live owner of the file at `path`; None when none is within reach.

        Raises PeerRefused when the owner does not serve this user, InUse when it serves too many,
        NotSupported when it speaks another version of the protocol.
        """
        try:
            status = path.stat()
        except OSError:
            return None
        for place in rendezvous.places(status.st_dev, status.st_ino, status.st_uid):
            try:
                channel = cls._connect(place, path, status.st_uid)
            except ConnectionLost:
                continue
            if channel is None:
                continue
            if (channel.greeting.device, channel.greeting.inode) == (status.st_dev, status.st_ino):
                return channel
            channel.close()
        return None

    @classmethod
    def _connect(cls, place: Path, path: Path, file_uid: int) -> Channel | None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(GREETING_S_MAX)
            connection.connect(os.fsencode(place))
            peer = Peer.of(connection)
        except OSError:
            connection.close()
            return None
        if not peer.is_trusted(file_uid):
            connection.close()
            return None
        try:
            return cls(connection, peer, place, path, file_uid)
        except BaseException:
            connection.close()
            raise

    def another(self) -> Channel:
        """A second connection to the same owner.  Raises ConnectionLost, InUse."""
        channel = self._connect(self._place, self._path, self._file_uid)
        if channel is None:
            raise ConnectionLost(self._gone())
        if channel.owner != self.owner:
            # The next owner listens there already: whoever wants that one looks for it anew.
            channel.close()
            raise ConnectionLost(self._gone())
        return channel

    def _greet(self) -> Greeting:
        # An owner that refuses us says so and hangs up, perhaps before our word arrives.
        with contextlib.suppress(ConnectionLost):
            send(self._connection, [PROTOCOL, PROTOCOL_VERSION])
        answer = receive(self._connection)
        self._connection.settimeout(None)
        greeting: Greeting = GREETING.decode(_result(answer, OUTSIDE))
        return greeting

    def request(self, verb: str, args: Sequence[object], number: int = 0) -> object:
        """The answer to one request; `number` is that of a verb which changes something, among
        those of its session, and 0 for others.  Raises what the verb raises, and ConnectionLost."""
        with self._lock:
            self._check_usable()
            self._sequence += 1
            sequence = self._sequence
            try:
                answer = self._exchange([sequence, verb, args, number])
            except ConnectionLost as error:
                self._lose(Farewell if isinstance(error, Farewell) else ConnectionLost)
                raise self._lost_again() from error
            except Invalid:
                raise  # nothing was sent
            except BaseException:
                # An answer may be on its way still; it must not be taken for the next one's.
                self._lose(ConnectionLost)
                raise
        return _result(answer, sequence)

    def _exchange(self, request: list[object]) -> list[object]:
        broken: ConnectionLost | None = None
        try:
            send(self._connection, request)
        except ConnectionLost as error:
            broken = error
        # An owner that closed the file said so before it hung up.
        answer = receive(self._connection)
        if answer[:1] == [OUTSIDE]:
            raise Farewell(self._gone())
        if broken is not None or answer[:1] != request[:1]:
            raise broken or Malformed("an answer to no request")
        match answer:
            case [_, _, _, int(settled), bool(is_congested)]:
                self.settled, self.is_congested = settled, is_congested
                return answer
        raise Malformed("an answer is not of the form that the protocol knows")

    @property
    def is_lost(self) -> bool:
        """Whether some request found that the owner is gone, or this is a forked child, to which
        the channel never belonged."""
        return self._lost is not None or self._process != os.getpid()

    def wait_farewell(self) -> None:
        """Return when the owner has closed the file in good order.  Raises ConnectionLost when
        it died instead."""
        with self._lock:
            if self._lost is None:
                try:
                    while receive(self._connection)[:1] != [OUTSIDE]:
                        pass
                    self._lose(Farewell)
                except ConnectionLost:
                    self._lose(ConnectionLost)
            if not isinstance(self._lost, Farewell):
                raise self._lost_again()

    def _check_usable(self) -> None:
        if self._lost is not None:
            raise self._lost_again()
        if self._process != os.getpid():
            raise ConnectionLost(
                f"{self._path} was opened before a fork; open it in the child anew"
            )

    def _lose(self, kind: type[ConnectionLost]) -> None:
        self._lost = kind(self._gone())
        self._connection.close()

    def _lost_again(self) -> ConnectionLost:
        assert self._lost is not None
        return type(self._lost)(self._lost.message)

    def _gone(self) -> str:
        return (
            f"process {self.owner.pid}, which owned {self._path}, closed it or ended; open it anew"
        )

    @property
    def is_busy(self) -> bool:
        """Whether a request is under way."""
        return self._lock.locked()

    def duplicate(self) -> socket.socket:
        """The same connection once more, to be watched.  Raises ConnectionLost."""
        try:
            return self._connection.dup()
        except OSError as error:
            raise ConnectionLost(self._gone()) from error

    def hear(self) -> list[object]:
        """The next message that the owner sends unasked.  Raises ConnectionLost."""
        message = receive(self._connection)
        if message[:1] == [OUTSIDE]:
            raise Farewell(self._gone())
        return message

    def say(self, message: Sequence[object]) -> None:
        """A message that needs no answer.  Raises ConnectionLost."""
        send(self._connection, message)

    def end(self) -> None:
        """Hang up, whatever another thread is waiting for on this channel."""
        # A forked child shares the socket; it is the parent's to hang up.
        if self._process == os.getpid():
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up.  Idempotent."""
        self.end()
        with self._lock:
            if self._lost is None:
                self._lost = ConnectionLost(f"the connection to {self._path} is closed")
            self._connection.close()


def _result(answer: list[object], sequence: int) -> object:
    match answer:
        case [int(number), True, result, *_] if number == sequence:
            return result
        case [int(number), False, error, *_] if number == sequence:
            raise decode_error(error)
    raise Malformed("an answer is not of the form that the protocol knows")


def proxied(verb: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """A method that has the owner perform `verb`; its object has a `_channel_for` each verb."""
    known = Verb.of(verb)

    @wraps(verb)
    def ask(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        channel: Channel = self._channel_for(known.name)
        answer: R = known.result.decode(channel.request(known.name, known.encode(args, kwargs)))
        return answer

    return ask
