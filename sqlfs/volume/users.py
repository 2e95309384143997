"""Who still needs a node that may have lost its last name."""

from __future__ import annotations

from sqlfs.volume.counts import Counts


class NodeUsers:
    """Open handles of nodes, and pins: nodes that a session remembers without having them open.

    The kernel pins every inode it knows, a million of them.  Guarded by the store's lock.
    """

    def __init__(self) -> None:
        self._handles: dict[int, int] = {}
        self._pins: dict[object, Counts] = {}

    def opened(self, node: int) -> None:
        self._handles[node] = self._handles.get(node, 0) + 1

    def closed(self, node: int) -> None:
        count = self._handles.pop(node, 0)
        if count > 1:
            self._handles[node] = count - 1

    def is_open(self, node: int) -> bool:
        return node in self._handles

    def needs(self, node: int) -> bool:
        """Whether anybody has the node open or pinned."""
        if node in self._handles:
            return True
        for pins in self._pins.values():  # noqa: SIM110 -- twice as fast as any()
            if node in pins:
                return True
        return False

    def pin(self, session: object, node: int) -> None:
        pins = self._pins.get(session)
        if pins is None:
            pins = self._pins[session] = Counts()
        pins.add(node)

    def unpin(self, session: object, node: int) -> None:
        """Takes nothing from those who hold the node, where this session doesn't."""
        pins = self._pins.get(session)
        if pins is not None:
            pins.take(node)

    def leave(self, session: object) -> None:
        """Take back every pin of a session."""
        self._pins.pop(session, None)
