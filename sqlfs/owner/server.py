"""The owner's socket: one thread that accepts, and one for each client."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sqlfs.errors import (
    ConnectionLost,
    InUse,
    NotFound,
    NotSupported,
    PeerRefused,
    SqlfsError,
    WrongPassphrase,
)
from sqlfs.maintenance import Upkeep
from sqlfs.owner import rendezvous
from sqlfs.owner.client import Client, UnmountCallback
from sqlfs.owner.codec import encode_error
from sqlfs.owner.frames import pack
from sqlfs.owner.rendezvous import Peer
from sqlfs.owner.served import Served
from sqlfs.owner.verbs import OUTSIDE
from sqlfs.volume import VolumeFile

# A client has a connection for the file, up to three for each session and one for each
# subscription.  Each may hold a request and an answer of about a MiB.
CLIENTS_MAX: Final = 128
_JOIN_S_MAX: Final = 5.0

log = logging.getLogger(__name__)

# The door that is a mount.
MOUNT: Final = "fuse"


class Server:
    """Serves `file` to the processes of trusted users from :meth:`start` to :meth:`end`.

    The lock guards the sets of clients and sessions, and the callbacks.
    """

    def __init__(self, file: VolumeFile) -> None:
        self.file = file
        self.upkeep = Upkeep(file)
        self._lock = threading.Lock()
        self._clients: dict[Client, threading.Thread] = {}
        self._served: list[Served] = []
        self._unmount_callbacks: list[UnmountCallback] = []
        self._listener: socket.socket | None = None
        self._place: Path | None = None
        self._place_inode = 0
        self._thread: threading.Thread | None = None

    # --- the socket ---

    def start(self) -> bool:
        """Listen; False when there is no place for a socket, and nobody can become a client."""
        published = rendezvous.publish(*self.file.identity)
        if published is None:
            return False
        self._listener, self._place = published
        self._place_inode = self._place.lstat().st_ino
        self._thread = threading.Thread(target=self._accept, name="sqlfs-accept", daemon=True)
        self._thread.start()
        return True

    def stop(self) -> None:
        """Accept nobody any more.  Those who are connected stay."""
        listener, self._listener = self._listener, None
        if listener is None or self._place is None:
            return
        with contextlib.suppress(OSError):
            # The next owner may listen here by now.
            if self._place.lstat().st_ino == self._place_inode:
                self._place.unlink()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        if self._thread is not None:
            self._thread.join()
        listener.close()

    def fall_silent(self) -> None:
        """Answer what is under way, and nothing any more: what clients ask for now is for the next
        owner."""
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            client.fall_silent()
        deadline = time.monotonic() + _JOIN_S_MAX
        for client in clients:
            client.wait_silent(max(0.1, deadline - time.monotonic()))

    def end(self) -> None:
        """The file is closed: tell the clients, and hang up."""
        with self._lock:
            clients = dict(self._clients)
        for client in clients:
            client.say_goodbye()
        for thread in clients.values():
            if thread is not threading.current_thread():
                thread.join(_JOIN_S_MAX)

    def _accept(self) -> None:
        listener = self._listener
        while listener is not None:
            try:
                connection, _ = listener.accept()
            except OSError as error:
                if self._listener is None:
                    return
                # Out of descriptors or memory: those who are connected must go on.
                log.warning("a client could not be accepted: %s", error)
                time.sleep(0.1)
                continue
            self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            client = Client(self, connection)
            refused = self._why_refused(client.peer)
            if refused is not None:
                log.info("process %d was refused: %s", client.peer.pid, refused)
                connection.send(pack([OUTSIDE, False, encode_error(refused)]), socket.MSG_DONTWAIT)
                connection.close()
                return
            name = f"sqlfs-client-{client.peer.pid}"
            thread = threading.Thread(target=client.serve, name=name, daemon=True)
            with self._lock:
                self._clients[client] = thread
            thread.start()
        except (OSError, RuntimeError) as error:
            log.warning("a client could not be served: %s", error)
            connection.close()

    def _why_refused(self, peer: Peer) -> SqlfsError | None:
        path = self.file.path
        if not peer.is_trusted(self._file_uid()):
            return PeerRefused(
                f"{path} is in use by process {os.getpid()} of user {os.geteuid()}, which does not"
                f" serve user {peer.uid}"
            )
        if len(self._clients) >= CLIENTS_MAX:
            return InUse(
                f"{path}: its owner, process {os.getpid()}, has {CLIENTS_MAX} connections already;"
                " close some"
            )
        return None

    # --- what clients need ---

    def forget(self, client: Client) -> None:
        with self._lock:
            self._clients.pop(client, None)
            self._served = [each for each in self._served if not each.released.is_set()]

    def add(self, served: Served) -> None:
        with self._lock:
            self._served.append(served)

    def release(self, id_: int) -> None:
        """Wait until nothing is done any more for the session with this id: its client is back.
        Raises ConnectionLost when that takes too long."""
        with self._lock:
            theirs = [each for each in self._served if each.session.id == id_]
        for each in theirs:
            each.end()
            if not each.released.wait(_JOIN_S_MAX):
                raise ConnectionLost("the session is still busy")

    def find(self, token: bytes) -> Served:
        """The session that has `token`.  Raises WrongPassphrase."""
        with self._lock:
            for each in self._served:
                if secrets.compare_digest(each.token, token):
                    return each
        raise WrongPassphrase("no session with that token")

    def on_unmount_request(self, callback: UnmountCallback) -> None:
        with self._lock:
            self._unmount_callbacks.append(callback)

    def end_mount(self, mountpoints: Sequence[str]) -> UnmountCallback | None:
        """What ends the owner's mount at one of `mountpoints`; None if it is a client's, which
        was asked then.  Raises NotFound, NotSupported."""
        mounts = [each for each in self.file.mounts() if each.where in mountpoints]
        if not any(each.door == MOUNT for each in mounts):
            raise NotFound(f"{self.file.path} is not mounted at {mountpoints[0]}")
        with self._lock:
            served = [each for each in self._served if each.where in mountpoints]
            callbacks = list(self._unmount_callbacks)
        theirs = [each for each in served if each.door == MOUNT]
        if theirs:
            # Of several mounts at one place the last one hides the others.
            if not theirs[-1].ask_for_end():
                raise _deaf(theirs[-1].pid)
            return None
        if not callbacks:
            raise _deaf(os.getpid())

        def end() -> None:
            for callback in callbacks:
                callback()

        return end

    def _file_uid(self) -> int:
        """The file's owner; the process's user once the path leads to another file."""
        try:
            status = self.file.path.stat()
        except OSError:
            return os.geteuid()
        same = (status.st_dev, status.st_ino) == self.file.identity
        return status.st_uid if same else os.geteuid()


def _deaf(pid: int) -> NotSupported:
    return NotSupported(f"process {pid} does not end its mount on request; use fusermount3 -u")
