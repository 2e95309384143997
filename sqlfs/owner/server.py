"""The owner's socket: one thread that accepts, and one for each client."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from sqlfs.errors import InUse, NotFound, NotSupported, PeerRefused, SqlfsError
from sqlfs.owner import rendezvous
from sqlfs.owner.client import Client
from sqlfs.owner.codec import encode_error
from sqlfs.owner.frames import pack
from sqlfs.owner.rendezvous import Peer
from sqlfs.owner.verbs import OUTSIDE
from sqlfs.volume import VolumeFile

# A client has a connection for the file, one for each session and one for each subscription.
# Each may hold a request and an answer of about a MiB.
CLIENTS_MAX: Final = 64
_JOIN_S_MAX: Final = 5.0

log = logging.getLogger(__name__)

UnmountCallback = Callable[[], None]


class Server:
    """Serves `file` to the processes of trusted users from :meth:`start` to :meth:`end`.

    The lock guards the set of clients and the callbacks.
    """

    def __init__(self, file: VolumeFile) -> None:
        self.file = file
        self._lock = threading.Lock()
        self._clients: dict[Client, threading.Thread] = {}
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

    def find(self, token: bytes) -> Client | None:
        """The client whose session has `token`."""
        with self._lock:
            return next((each for each in self._clients if token and each.token == token), None)

    def on_unmount_request(self, callback: UnmountCallback) -> None:
        with self._lock:
            self._unmount_callbacks.append(callback)

    def end_mount(self, mountpoints: Sequence[str]) -> UnmountCallback:
        """What ends the mount at one of `mountpoints`.  Raises NotFound, NotSupported."""
        mounts = [each for each in self.file.mounts() if each.door == "fuse"]
        if not any(each.where in mountpoints for each in mounts):
            raise NotFound(f"{self.file.path} is not mounted at {mountpoints[0]}")
        with self._lock:
            callbacks = list(self._unmount_callbacks)
        if not callbacks:
            raise NotSupported(
                f"process {os.getpid()} does not end its mount on request; use fusermount3 -u"
            )

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
