"""What the kernel is told to do with an open file or directory."""

from __future__ import annotations

import os
import time

import pytest

from fuse_driver.kernel.abi import (
    FOPEN_CACHE_DIR,
    FOPEN_KEEP_CACHE,
    FOPEN_NOFLUSH,
    IN_HEADER,
    OPEN_IN,
    OPEN_OUT,
    Opcode,
)
from fuse_driver.kernel.requests import Later, Reply, Request, handlers_of
from fuse_driver.operations import Operations
from sqlfs.types import AttributeChanges, Caller
from tests.model.session import ModelSession

HOUR_NS = 3600 * 1_000_000_000


def opened(session: ModelSession, opcode: Opcode, node: int, flags: int) -> Reply | Later:
    body = OPEN_IN.pack(flags, 0)
    header = IN_HEADER.pack(IN_HEADER.size + len(body), opcode, 1, node, 0, 0, 1, 0, 0)
    operations = Operations(session)
    try:
        return handlers_of(operations)[opcode](Request(memoryview(header + body)))
    finally:
        operations.close()


def flags_of(session: ModelSession, opcode: Opcode, node: int, flags: int) -> int:
    """What the answer to an open says."""
    reply = opened(session, opcode, node, flags)
    assert isinstance(reply, bytes)
    _, open_flags, _ = OPEN_OUT.unpack(reply)
    return int(open_flags)


@pytest.mark.parametrize(
    ("flags", "is_asked"),
    [
        (os.O_RDONLY, False),
        (os.O_WRONLY, True),
        (os.O_RDWR, True),
        (os.O_RDONLY | os.O_TRUNC, True),
    ],
)
def test_close_is_asked_about_where_something_may_have_been_written(
    flags: int, is_asked: bool
) -> None:
    session = ModelSession()
    made, handle = session.create(session.root, b"file", 0o600, os.O_WRONLY, Caller(0, 0))
    session.release(handle)
    open_flags = flags_of(session, Opcode.OPEN, made.node, flags)
    assert bool(open_flags & FOPEN_NOFLUSH) == (not is_asked)


def test_a_listing_is_kept_when_the_directory_was_left_alone_and_read_since() -> None:
    session = ModelSession()
    node = session.mkdir(session.root, b"directory", 0o700, Caller(0, 0)).node

    def kept() -> int:
        return flags_of(session, Opcode.OPENDIR, node, os.O_RDONLY | os.O_DIRECTORY)

    assert kept() == 0
    then = time.time_ns() - HOUR_NS
    session.setattr(node, AttributeChanges(atime_ns=then, mtime_ns=then, ctime_ns=then))
    # To be read once more, so that the access time moves.
    assert kept() == FOPEN_CACHE_DIR
    session.setattr(node, AttributeChanges(atime_ns=then + 1, ctime_ns=then))
    assert kept() == FOPEN_CACHE_DIR | FOPEN_KEEP_CACHE
    session.mkdir(node, b"new", 0o700, Caller(0, 0))
    assert kept() == 0


class CatchingUp(ModelSession):
    """One whose caches are about to forget what they knew under another owner."""

    waits = 0

    def catching_up(self) -> bool:
        return not self.waits

    def wait_caught_up(self) -> None:
        self.waits += 1


@pytest.mark.parametrize(
    ("opcode", "flags"),
    [(Opcode.OPEN, os.O_RDONLY), (Opcode.OPEN, os.O_RDWR), (Opcode.OPENDIR, os.O_DIRECTORY)],
)
def test_an_open_is_answered_when_the_kernel_has_forgotten_what_may_be_old(
    opcode: Opcode, flags: int
) -> None:
    session = CatchingUp()
    if opcode == Opcode.OPENDIR:
        node = session.mkdir(session.root, b"directory", 0o700, Caller(0, 0)).node
    else:
        made, handle = session.create(session.root, b"file", 0o600, os.O_WRONLY, Caller(0, 0))
        session.release(handle)
        node = made.node
    reply = opened(session, opcode, node, flags)
    assert isinstance(reply, Later)
    assert session.waits == 0
    assert isinstance(reply.work(), bytes)
    assert session.waits == 1
    assert isinstance(opened(session, opcode, node, flags), bytes)
