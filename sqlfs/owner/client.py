"""One connection to the owner, seen from the owner: what a client asks is done here."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Protocol

from sqlfs.crypto import KdfParameters, KeySlot
from sqlfs.errors import ConnectionLost, InputOutput, NotSupported, SqlfsError
from sqlfs.limits import IO_BYTES_MAX
from sqlfs.maintenance import CheckProgress, Finding, ScrubStatus, Upkeep
from sqlfs.owner.codec import encode_error
from sqlfs.owner.frames import REQUEST_BYTES_MAX, Malformed, pack, receive, send
from sqlfs.owner.hearing import HEARD_S_MAX, Hearing
from sqlfs.owner.rendezvous import Peer
from sqlfs.owner.served import Served
from sqlfs.owner.verbs import (
    CHANGING_VERBS,
    CONTROL_VERBS,
    GREETING,
    HANDLES_MAX,
    OUTSIDE,
    PINS_MAX,
    PROTOCOL,
    PROTOCOL_VERSION,
    READDIR_ENTRIES_MAX,
    SESSION_VERBS,
    Greeting,
    OpenedSession,
    SessionRequest,
    Verb,
)
from sqlfs.store import Image
from sqlfs.types import HeldHandle, MountInfo, Quota, VolumeInfo, VolumeUsage
from sqlfs.volume import VolumeFile

# A peer that connects and says nothing must not keep a place.
GREETING_S_MAX: Final = 10.0

UnmountCallback = Callable[[], None]

log = logging.getLogger(__name__)


class Clients(Protocol):
    """What a connection needs of the server that accepted it."""

    file: VolumeFile
    upkeep: Upkeep

    def add(self, served: Served) -> None: ...

    def find(self, token: bytes) -> Served: ...

    def release(self, id_: int) -> None: ...

    def end_mount(self, mountpoints: Sequence[str]) -> UnmountCallback | None: ...

    def forget(self, client: Client) -> None: ...


class Client:
    """Serves one connection on the thread that calls :meth:`serve`."""

    def __init__(self, clients: Clients, connection: socket.socket) -> None:
        self.peer = Peer.of(connection)
        self._clients = clients
        self._file = clients.file
        self._connection = connection
        self._served: Served | None = None
        self._image: Image | None = None
        self._sending = threading.Lock()
        self._turn = threading.Lock()  # held while a request is being answered
        self._silent = False
        self._hearing: Hearing | None = None
        self._after_answer: Callable[[], None] | None = None

    def serve(self) -> None:
        """Answer requests until the connection ends; then release what it held."""
        try:
            self._greet()
            while True:
                message = receive(self._connection, REQUEST_BYTES_MAX)
                if self._hearing is not None:
                    self._hearing.heard()
                    continue
                with self._turn:
                    if not self._silent:
                        self._answer(message)
        except Malformed as error:
            log.info("process %d: %s; its connection is closed", self.peer.pid, error)
        except ConnectionLost:
            pass
        finally:
            self._release()

    def _greet(self) -> None:
        self._connection.settimeout(GREETING_S_MAX)
        hello = receive(self._connection, bytes_max=64)
        self._connection.settimeout(None)
        match hello:
            case [str(protocol), int(version)] if protocol == PROTOCOL:
                pass
            case _:
                raise Malformed("no greeting")
        if version != PROTOCOL_VERSION:
            mismatch = NotSupported(
                f"{self._file.path} is in use by an sqlfs that speaks version {PROTOCOL_VERSION}"
                f" of the protocol, this one speaks {version}; use the same version"
            )
            self._reply([OUTSIDE, False, encode_error(mismatch)])
            raise Malformed(mismatch.message)
        device, inode = self._file.identity
        greeting = Greeting(device, inode, self._file.read_only)
        self._reply([OUTSIDE, True, GREETING.encode(greeting)])

    def _answer(self, request: list[object]) -> None:
        match request:
            case [int(sequence), str(name), list(args), int(number)] if sequence > OUTSIDE:
                verb, perform = self._target(name, number)
            case _:
                raise Malformed("a request is not of the form that the protocol knows")
        decoded = verb.decode(args)
        _check_bounds(name, decoded)
        try:
            result = verb.result.encode(perform(*decoded))
            self._file.commit_ids()
            self._finish([sequence, True, result])
        except ConnectionLost:
            raise
        except SqlfsError as error:
            self._finish([sequence, False, encode_error(error)])
        except Exception:
            log.exception("%s failed", name)
            failed = InputOutput(f"{name} failed in the owner of {self._file.path}; see its log")
            self._finish([sequence, False, encode_error(failed)])
        if self._after_answer is not None:
            then, self._after_answer = self._after_answer, None
            then()

    def _finish(self, answer: list[object]) -> None:
        if self._served is None:
            self._reply([*answer, 0, False])
        else:
            session = self._served.session
            self._reply([*answer, session.settled, session.congested()])

    def _target(self, name: str, number: int) -> tuple[Verb, Callable[..., object]]:
        served = self._served
        if served is not None and name in SESSION_VERBS:
            verb: Callable[..., object] = getattr(served.session, name)
            if name in CHANGING_VERBS:
                verb = partial(served.change, number, verb)
            return SESSION_VERBS[name], verb
        if name in CONTROL_VERBS:
            return CONTROL_VERBS[name], getattr(self, name)
        raise Malformed("a verb that is unknown here")

    def _reply(self, message: Sequence[object]) -> None:
        with self._sending:
            send(self._connection, message)

    # --- the verbs on the file as a whole ---

    def volumes(self) -> list[VolumeInfo]:
        return self._file.volumes()

    def create_volume(
        self,
        name: str,
        passphrase: bytes | None,
        chunk_size: int,
        dedupe: bool,
        compression: int,
        kdf: KdfParameters | None,
    ) -> VolumeInfo:
        return self._file.create_volume(
            name, passphrase, chunk_size=chunk_size, dedupe=dedupe, compression=compression, kdf=kdf
        )

    def slots(self, volume: str) -> list[tuple[int, KeySlot]]:
        return self._file.slots(volume)

    def usage(self, volume: str) -> VolumeUsage:
        return self._file.usage(volume)

    def quota(self, volume: str) -> Quota:
        return self._file.quota(volume)

    def set_quota(self, volume: str, quota: Quota) -> None:
        self._file.set_quota(volume, quota)

    def mounts(self) -> list[MountInfo]:
        return self._file.mounts()

    def info(self) -> dict[str, object]:
        return self._file.info()

    def checkpoint(self) -> None:
        self._file.checkpoint()

    def check(self, deep: bool) -> list[Finding]:
        return self._clients.upkeep.check(deep=deep)

    def check_progress(self) -> CheckProgress:
        return self._clients.upkeep.progress

    def scrub_start(self, rate: int) -> ScrubStatus:
        return self._clients.upkeep.scrub.start(max(0, rate))

    def scrub_stop(self) -> ScrubStatus:
        return self._clients.upkeep.scrub.stop()

    def scrub_status(self) -> ScrubStatus:
        return self._clients.upkeep.scrub.status()

    def unmount(self, mountpoints: list[str]) -> bool:
        # The answer goes first: the owner may be gone before it could follow.
        self._after_answer = self._clients.end_mount(mountpoints)
        return self._after_answer is not None

    def open_image(self) -> int:
        if self._image is not None:
            raise Malformed("a second image on one connection")
        self._image = self._file.image()
        return self._image.size

    def read_image(self) -> bytes:
        if self._image is None:
            raise Malformed("no image to read")
        return self._image.read()

    def open_session(self, request: SessionRequest) -> OpenedSession:
        if self._served is not None:
            raise Malformed("a second session on one connection")
        if request.claim:
            self._clients.release(request.claim)
        session = self._file.session(
            request.volume,
            kek=request.kek,
            read_only=request.read_only,
            door=request.door,
            where=request.where,
            pid=self.peer.pid,
            atime=request.atime,
            subdir=request.subdir,
            is_clients=True,
            claim=request.claim,
            root=request.root,
        )
        if session.id:
            # Its row is there for whoever asks for it after this process died.
            self._file.commit()
        served = Served(session, self.peer.pid, request.door, request.where)
        served.join(self)
        self._served = served
        self._clients.add(served)
        return OpenedSession(
            session.volume,
            session.root,
            session.read_only,
            served.token,
            session.id,
            session.found_applied,
        )

    def join(self, token: bytes) -> None:
        self._served = self._joined(token)

    def present(self, handles: list[HeldHandle], pins: list[int], is_last: bool) -> list[int]:
        if self._served is None or len(handles) > HANDLES_MAX or len(pins) > PINS_MAX:
            raise Malformed("what no session of ours presents")
        session = self._served.session
        again = session.present(handles, pins)
        if is_last:
            session.presented()
        return again

    def listen(self, token: bytes) -> None:
        served = self._joined(token)
        self._served = served
        hearing = Hearing(self._connection, served.is_busy, served.end)
        # What follows the answer is changes, not before it.
        served.listen(hearing)
        self._hearing = hearing
        self._after_answer = hearing.begin

    def _joined(self, token: bytes) -> Served:
        if self._served is not None:
            raise Malformed("a second session on one connection")
        served = self._clients.find(token)
        served.join(self)
        return served

    # --- the end ---

    def hang_up(self) -> None:
        """End the connection, whatever its thread is doing."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def fall_silent(self) -> None:
        """Begin no request any more."""
        self._silent = True

    def wait_silent(self, timeout_s: float) -> None:
        """Return when no request is under way; a client that takes no answer loses its own."""
        if self._turn.acquire(timeout=timeout_s):
            self._turn.release()
        else:
            self.hang_up()

    def say_goodbye(self) -> None:
        """Tell the client that the file was closed in good order, if it is there to hear it;
        then hang up."""
        if self._sending.acquire(timeout=HEARD_S_MAX):
            with contextlib.suppress(OSError):
                self._connection.send(pack([OUTSIDE, True, None]), socket.MSG_DONTWAIT)
            self._sending.release()
        self.hang_up()

    def _release(self) -> None:
        if self._hearing is not None:
            self._hearing.end()
        if self._served is not None:
            self._served.leave(self)
        if self._image is not None:
            self._image.close()
        self._clients.forget(self)
        self._connection.close()


def _check_bounds(name: str, args: list[Any]) -> None:
    """What one answer may hold.  Clients ask again for more; whoever asks for more at once is
    no client of ours."""
    if (name == "read" and args[2] > IO_BYTES_MAX) or (
        name == "readdir" and args[2] > READDIR_ENTRIES_MAX
    ):
        raise Malformed(f"{name} asks for more than one answer may hold")
