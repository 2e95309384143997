"""Sealing beside others: who waits gets what came of it, also an error."""

from __future__ import annotations

import threading
from typing import cast

import pytest

from sqlfs.chunks import ChunkPool, SealedChunk
from sqlfs.content import Gauge, SealWorkers
from sqlfs.errors import TooBig

LARGE = bytes(1 << 16)


class HeldPool:
    """Seals when it is let; nothing that is empty."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def seal(self, plain: bytes) -> SealedChunk:
        assert self.go.wait(30)
        if not plain.strip(b"\0"):
            raise TooBig("not today")
        return SealedChunk(b"digest", plain, b"sealed")


def test_who_waits_gets_the_chunk_or_the_error() -> None:
    told: list[None] = []
    workers = SealWorkers(Gauge(), lambda: told.append(None))
    pool = HeldPool()
    owner = object()
    good = workers.submit(cast(ChunkPool, pool), LARGE + b"x", owner)
    bad = workers.submit(cast(ChunkPool, pool), LARGE, owner)
    assert not good.done
    threading.Timer(0.01, pool.go.set).start()
    assert workers.wait(good).sealed == b"sealed"
    with pytest.raises(TooBig):
        workers.wait(bad)
    workers.close()
    assert list(workers.sealed) == [owner, owner]
    assert len(told) == 2


def test_what_is_on_its_way_to_the_store_is_no_reason_to_commit() -> None:
    gauge = Gauge()
    gauge.add(31 << 20, sealing=True)
    assert not gauge.lingers
    gauge.add(16 << 20)
    assert gauge.lingers
    assert gauge.full
