"""A mount's life: attach, answer requests until the end, detach."""

from __future__ import annotations

import gc
import logging
import signal
import threading
from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from fuse_driver import mountpoint, readahead
from fuse_driver.invalidate import Invalidator
from fuse_driver.kernel.attach import Attachment, attach
from fuse_driver.kernel.device import Device, forgets_names
from fuse_driver.kernel.requests import handlers_of
from fuse_driver.kernel.serving import Serving
from fuse_driver.operations import Operations
from fuse_driver.replies import BRIEF_S
from fuse_driver.view import View
from sqlfs.errors import MountFailed
from sqlfs.volume.session import Session

log = logging.getLogger(__name__)

# How long invalidations under way may take when the mount is over.
LAST_CALLS_S: Final = 2.0

END_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

RequestEnd = Callable[[], None]


class _Event(Enum):
    END_ASKED = auto()  # by a signal, or by another process
    OVER = auto()  # the kernel has let go


class Mount:
    """`session` at `directory`, shown by the kernel as `attachment` says.

    The thread that runs it, a process's main one, waits for the end; requests are answered on a
    thread of their own.
    """

    def __init__(
        self,
        session: Session,
        directory: Path,
        attachment: Attachment,
        *,
        synchronous: bool = False,
        synchronous_names: bool = False,
        view: View | None = None,
        keeps_atime: bool = True,
        is_client: bool = False,
    ) -> None:
        """`is_client`: the owner of the file is another process, on which a third one may follow
        that did not hear what the kernel knows."""
        self._session = session
        self._directory = directory
        self._attachment = attachment
        self._operations = Operations(
            session,
            synchronous=synchronous,
            synchronous_names=synchronous_names,
            view=view,
            keeps_atime=keeps_atime,
        )
        if is_client and not forgets_names():
            self._operations.name_s = BRIEF_S
        # A signal's handler may put into it while anything is under way.
        self._events: SimpleQueue[_Event] = SimpleQueue()
        self._over = threading.Event()

    def run(self, on_ready: Callable[[RequestEnd], None]) -> None:
        """Attach, and answer until somebody unmounts or a signal asks for the end.

        `on_ready` is called once, when the mount answers, with a function that asks for the end
        from any thread.  Raises MountFailed, with nothing left attached.  From the call on, the
        signals that end a process only ask for the mount's end, also when it is over.
        """
        self._take_signals()
        # All that there is by now stays: nothing in it need be looked at for garbage again.
        gc.freeze()
        device = Device(attach(self._directory, self._attachment))
        serving = Serving(device, handlers_of(self._operations))
        invalidator = Invalidator(device, self._operations.inodes, serving.looks)
        # A daemon: nothing can wake it from its reading if the mount lives on, busy.
        threading.Thread(target=self._serve, args=[serving], name="sqlfs-fuse", daemon=True).start()
        try:
            self._session.subscribe(invalidator)
            self._announce(on_ready)
            self._wait()
        finally:
            self._detach()
            serving.end()
            self._operations.close()
            if not invalidator.close(LAST_CALLS_S):
                log.warning("the kernel is still busy with what it was told to forget")

    def _serve(self, serving: Serving) -> None:
        try:
            serving.run()
        except Exception:
            log.exception("cannot serve the mount any longer")
        finally:
            self._over.set()
            self._events.put(_Event.OVER)

    def _announce(self, on_ready: Callable[[RequestEnd], None]) -> None:
        try:
            status = self._directory.stat()
        except OSError as error:
            raise MountFailed(
                f"the volume's root cannot be read: {error.strerror}", errno_=error.errno
            ) from None
        readahead.widen(status.st_dev)
        on_ready(lambda: self._events.put(_Event.END_ASKED))

    def _wait(self) -> None:
        if self._events.get() is _Event.OVER:
            return
        if mountpoint.unmount(self._directory):
            # The kernel sends what it has not yet written back, and then lets go.
            while self._events.get() is not _Event.OVER:
                pass
        else:
            mountpoint.write_back(self._directory)

    def _detach(self) -> None:
        if self._over.is_set():
            # Whatever lives at the directory now is somebody else's.
            mountpoint.detach_dead(self._directory)
        else:
            mountpoint.detach(self._directory)

    def _take_signals(self) -> None:
        """For good: service managers send theirs when the mount has gone, and what is left to do
        then, up to closing the file, must not be cut short."""
        for number in END_SIGNALS:
            signal.signal(number, lambda *_: self._events.put(_Event.END_ASKED))
