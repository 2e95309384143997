"""What a session holds that must be there again under the next owner: handles and pins."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlfs.errors import BadHandle, InputOutput
from sqlfs.owner.backend import Link
from sqlfs.types import HeldHandle
from sqlfs.volume.counts import Counts

# What the session does itself: each write is followed by an fsync of its own.
_SYNCHRONOUS: Final = os.O_SYNC | os.O_DSYNC
# What opening again must not do once more.
_ONCE: Final = os.O_TRUNC | os.O_CREAT | os.O_EXCL


def asked(flags: int) -> int:
    """The flags that an owner is asked for."""
    return flags & ~_SYNCHRONOUS


def again(flags: int) -> int:
    """The flags with which an open file is opened again."""
    return flags & ~(_SYNCHRONOUS | _ONCE)


@dataclass(slots=True, eq=False)
class Handle:
    """An open file.  ``number`` is what `link` calls it; 0: it is gone."""

    node: int
    flags: int
    link: Link
    number: int
    linkable: bool = False
    lock: str = ""
    lost: str = ""  # why something of the file is lost, until that was told
    wrote: bool = False  # it may have been written by this handle

    @property
    def is_writable(self) -> bool:
        return self.flags & os.O_ACCMODE != os.O_RDONLY

    @property
    def is_synchronous(self) -> bool:
        return bool(self.flags & os.O_DSYNC)  # a part of O_SYNC

    def tell_lost(self, *, syncs: bool = False) -> None:
        """Raises InputOutput, once, if something is lost that was written by this handle, or by
        any if the handle `syncs` the file."""
        if self.lost and (syncs or self.wrote):
            why, self.lost = self.lost, ""
            raise InputOutput(why)

    def presented(self) -> HeldHandle:
        return HeldHandle(self.node, again(self.flags), self.lock, self.linkable)


class Held:
    """The handles and pins of a session, under numbers that outlast owners.

    Guarded by the session's condition.
    """

    def __init__(self) -> None:
        self._handles: dict[int, Handle] = {}
        self._last = 0
        self._pins = Counts()
        self._lost_nodes: dict[int, str] = {}  # with no open handle that could tell it

    def add(self, handle: Handle) -> int:
        """The number by which the session's user knows the handle."""
        handle.lost = handle.lost or self._lost_nodes.pop(handle.node, "")
        self._last += 1
        self._handles[self._last] = handle
        return self._last

    def get(self, number: int) -> Handle:
        try:
            return self._handles[number]
        except KeyError:
            raise BadHandle(f"handle {number} is not open") from None

    def remove(self, number: int) -> Handle:
        handle = self.get(number)
        del self._handles[number]
        return handle

    def handles(self) -> list[Handle]:
        return list(self._handles.values())

    # --- pins ---

    def pin(self, node: int) -> bool:
        """Count one more; whether it is the first."""
        return self._pins.add(node)

    def unpin(self, node: int) -> bool:
        """Count one less; whether it was the last."""
        return self._pins.take(node)

    def pins(self) -> list[int]:
        return list(self._pins)

    # --- what died with an owner ---

    def lose(self, nodes: Iterable[int], why: str) -> None:
        """What was changed of `nodes` is lost: each of their handles tells it once, or who opens
        or syncs them next."""
        untold = dict.fromkeys(nodes, why)
        for handle in self._handles.values():
            if handle.node in untold:
                handle.lost, handle.wrote = why, handle.is_writable
        with_handles = {handle.node for handle in self._handles.values()}
        self._lost_nodes |= {node: why for node in untold if node not in with_handles}

    def tell_lost(self, node: int) -> None:
        """Raises InputOutput, once, if a change of the directory `node` is lost."""
        why = self._lost_nodes.pop(node, "")
        if why:
            raise InputOutput(why)

    def tell_all_lost(self) -> None:
        """Raises InputOutput, once, if anything is lost that nobody was told of."""
        why = next((each.lost for each in self._handles.values() if each.lost), "")
        why = why or next(iter(self._lost_nodes.values()), "")
        for handle in self._handles.values():
            handle.lost = ""
        self._lost_nodes.clear()
        if why:
            raise InputOutput(why)
