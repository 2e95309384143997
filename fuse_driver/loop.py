"""A mount's life: attach, answer requests until the end, detach."""

from __future__ import annotations

import errno
import logging
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pyfuse3
import trio

from fuse_driver import mountpoint, readahead
from fuse_driver.invalidate import Invalidator
from fuse_driver.operations import Operations
from sqlfs.errors import MountFailed
from sqlfs.volume.session import Session

log = logging.getLogger(__name__)

# pyfuse3 starts a task when none is left to read the next request, so one idle reader is enough;
# each request that waits for the disk or for room holds a task, and perhaps 1 MiB to be written.
IDLE_TASKS: Final = 1
TASKS_MAX: Final = 80

# How long invalidations under way may take when the mount is over.
LAST_CALLS_S: Final = 2.0

END_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

RequestEnd = Callable[[], None]


class Mount:
    """`session` at `directory`, attached by the kernel with `kernel_options`."""

    def __init__(
        self,
        session: Session,
        directory: Path,
        kernel_options: frozenset[str],
        *,
        synchronous: bool = False,
    ) -> None:
        self._session = session
        self._directory = directory
        self._options = kernel_options
        self._operations = Operations(session, synchronous=synchronous)
        self._invalidator = Invalidator(self._operations.inodes)
        self._failure: MountFailed | None = None

    def run(self, on_ready: Callable[[RequestEnd], None]) -> None:
        """Attach, and answer until somebody unmounts or a signal asks for the end.

        `on_ready` is called once, when the mount answers, with a function that asks for the end
        from any thread.  Raises MountFailed, with nothing left attached.
        """
        self._attach()
        try:
            self._session.subscribe(self._invalidator)
            trio.run(self._answer, on_ready)
        finally:
            self._detach()
        if self._failure is not None:
            raise self._failure

    def _attach(self) -> None:
        with _libfuse_messages() as messages:
            try:
                pyfuse3.init(self._operations, str(self._directory), set(self._options))
            except RuntimeError:
                failed = True
            else:
                failed = False
        if failed:
            reason = messages[0] if messages else "the kernel refused, and did not say why"
            raise MountFailed(
                f"cannot mount on {self._directory}: {reason}", errno_=_errno_in(reason)
            )

    async def _answer(self, on_ready: Callable[[RequestEnd], None]) -> None:
        end = trio.Event()
        async with trio.open_nursery() as nursery:
            await nursery.start(self._end_on_signal, end)
            nursery.start_soon(self._end_when_asked, end)
            nursery.start_soon(self._announce, on_ready, end)
            await pyfuse3.main(min_tasks=IDLE_TASKS, max_tasks=TASKS_MAX)
            nursery.cancel_scope.cancel()

    async def _announce(self, on_ready: Callable[[RequestEnd], None], end: trio.Event) -> None:
        # From another thread, as the answer comes from this one.
        try:
            status = await trio.to_thread.run_sync(os.stat, self._directory, abandon_on_cancel=True)
        except OSError as error:
            self._failure = MountFailed(
                f"the volume's root cannot be read: {error.strerror}", errno_=error.errno
            )
            pyfuse3.terminate()
            return
        readahead.widen(status.st_dev)
        token = trio.lowlevel.current_trio_token()

        def request_end() -> None:
            try:
                token.run_sync_soon(end.set)
            except trio.RunFinishedError:
                log.debug("asked to end a mount that has ended")

        on_ready(request_end)

    async def _end_on_signal(self, end: trio.Event, *, task_status: trio.TaskStatus[None]) -> None:
        with trio.open_signal_receiver(*END_SIGNALS) as signals:
            task_status.started()
            async for _ in signals:
                end.set()

    async def _end_when_asked(self, end: trio.Event) -> None:
        await end.wait()
        # Requests are answered meanwhile: the kernel sends what it has not yet written back.
        if not await trio.to_thread.run_sync(
            mountpoint.unmount, self._directory, abandon_on_cancel=True
        ):
            await trio.to_thread.run_sync(
                mountpoint.write_back, self._directory, abandon_on_cancel=True
            )
            pyfuse3.terminate()

    def _detach(self) -> None:
        if self._invalidator.close(LAST_CALLS_S):
            pyfuse3.close(unmount=True)
        else:
            # A call that still uses libfuse's session must not see it freed; the kernel lets it
            # go when this process ends.
            mountpoint.detach(self._directory)


def _errno_in(reason: str) -> int | None:
    """libfuse keeps the number to itself, but not its name."""
    for number in (errno.EPERM, errno.EACCES):
        if os.strerror(number) in reason:
            return number
    return None


@contextmanager
def _libfuse_messages() -> Iterator[list[str]]:
    """The lines that libfuse and fusermount3 write to standard error meanwhile, bare."""
    lines: list[str] = []
    saved = os.dup(2)
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            captured.seek(0)
            for line in captured.read().decode(errors="replace").splitlines():
                for prefix in ("fusermount3: ", "fuse: "):
                    line = line.removeprefix(prefix)
                lines.append(line)
