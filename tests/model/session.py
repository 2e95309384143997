"""`ModelSession`: the session protocol over a volume in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from sqlfs.limits import NAME_BYTES_MAX
from sqlfs.types import FileSystemStatus, VolumeInfo
from sqlfs.volume.session import Listener
from tests.model.attributes import AttributeVerbs
from tests.model.ranges import RangeVerbs
from tests.model.volume import ModelVolume, Subscription

# What a volume in memory claims to have room for.
BLOCK_BYTES = 4096
BLOCKS = 1 << 30
NODES = 1 << 30


class ModelSession(RangeVerbs, AttributeVerbs):
    """A session on `volume`, or on a new one of its own.  `now` gives ns since the epoch."""

    def __init__(
        self,
        read_only: bool = False,
        volume: ModelVolume | None = None,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__(volume if volume is not None else ModelVolume(now), read_only)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def volume(self) -> VolumeInfo:
        return self._state.info

    @property
    def root(self) -> int:
        return self._state.root

    @property
    def read_only(self) -> bool:
        return self._read_only

    # --- the whole ---

    def fsyncdir(self, node: int) -> None:
        with self._reading() as state:
            state.directory(node)

    def sync(self) -> None:
        with self._reading():
            pass

    def statfs(self) -> FileSystemStatus:
        with self._reading() as state:
            used = sum(node.content.blocks for node in state.nodes.values())
            return FileSystemStatus(
                block_size=BLOCK_BYTES,
                blocks=BLOCKS,
                blocks_free=BLOCKS - used * 512 // BLOCK_BYTES,
                nodes=NODES,
                nodes_free=NODES - len(state.nodes),
                name_max=NAME_BYTES_MAX,
            )

    # --- caches above ---

    def pin(self, node: int) -> None:
        with self._reading() as state:
            state.node(node)
            state.pins[self, node] += 1

    def unpin(self, node: int) -> None:
        with self._reading() as state:
            state.pins[self, node] -= 1
            if state.pins[self, node] <= 0:
                del state.pins[self, node]
            if node in state.nodes:
                state.drop_if_unused(state.nodes[node])

    def subscribe(self, listener: Listener) -> None:
        with self._reading() as state:
            state.subscriptions.append(Subscription(self, listener))

    def congested(self) -> bool:
        return False

    def wait_uncongested(self) -> None:
        pass

    def catching_up(self) -> bool:
        return False

    def wait_caught_up(self) -> None:
        pass

    def close(self) -> None:
        state = self._state
        with state.lock:
            self._closed = True
            state.subscriptions = [s for s in state.subscriptions if s.session is not self]
            held = [id_ for id_, handle in state.handles.items() if handle.session is self]
            kept = {state.handles[id_].node for id_ in held}
            kept |= {node for session, node in state.pins if session is self}
            for id_ in held:
                del state.handles[id_]
            for key in [key for key in state.pins if key[0] is self]:
                del state.pins[key]
            for node in kept & state.nodes.keys():
                state.drop_if_unused(state.nodes[node])
