"""Making the kernel forget what other doors have changed."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from fuse_driver.inodes import Inodes
from fuse_driver.kernel.device import Device, forgets_names
from fuse_driver.kernel.looks import Looks
from sqlfs.types import Change, ChangeKind

log = logging.getLogger(__name__)

# The kernel never knew it, or the mount is over.
NOTHING_TO_FORGET: Final = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.ENOTCONN, errno.ENODEV, errno.EBADF, errno.EINVAL}
)


class Invalidator:
    """The listener of a mount's session.

    It is called on threads of other doors and returns when the kernel has forgotten.  The kernel
    in turn may wait for an answer of ours about the same directory, so it must never be called
    on the thread that answers, nor with a lock held that a handler could want.
    """

    def __init__(self, device: Device, inodes: Inodes, looks: Looks) -> None:
        self._device = device
        self._inodes = inodes
        self._looks = looks
        self._state = threading.Condition()
        self._calls = 0  # guarded by _state
        self._closed = False  # guarded by _state

    def __call__(self, changes: Sequence[Change]) -> None:
        with self._call() as is_open:
            if is_open:
                begun = self._looks.begun
                for change in changes:
                    self._forget(change)
                if self._looks.answered < begun:
                    # What is being answered may be older than the change, and of a node that the
                    # kernel does not know yet: then there was nothing to forget.
                    self._looks.wait_answered(begun)
                    for change in changes:
                        self._forget(change)

    @contextmanager
    def _call(self) -> Iterator[bool]:
        with self._state:
            if self._closed:
                is_open = False
            else:
                is_open = True
                self._calls += 1
        try:
            yield is_open
        finally:
            if is_open:
                with self._state:
                    self._calls -= 1
                    self._state.notify_all()

    def _forget_everything(self) -> None:
        # Names first: they lead to the rest.
        if forgets_names():
            self._device.forget_names()
        for node in self._inodes.known():
            self._forget(Change(ChangeKind.CONTENT, node))

    def _forget(self, change: Change) -> None:
        if change.kind is ChangeKind.EVERYTHING:
            self._forget_everything()
            return
        inode = self._inodes.inode(change.node)
        if change.kind is ChangeKind.ENTRY:
            _attempt(inode, lambda: self._device.forget_entry(inode, change.name))
            # The listing that the kernel may have kept.
            _attempt(inode, lambda: self._device.forget_content(inode))
        elif change.kind is ChangeKind.ATTRIBUTES:
            _attempt(inode, lambda: self._device.forget_attributes(inode))
        else:
            _attempt(inode, lambda: self._device.forget_content(inode))

    def close(self, timeout_s: float) -> bool:
        """Take no more calls; whether those under way have ended within `timeout_s`."""
        with self._state:
            self._closed = True
            return self._state.wait_for(lambda: self._calls == 0, timeout_s)


def _attempt(inode: int, forget: Callable[[], None]) -> None:
    try:
        forget()
    except OSError as error:
        if error.errno not in NOTHING_TO_FORGET:
            log.warning("the kernel does not forget inode %d: %s", inode, error)
