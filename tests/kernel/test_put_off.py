"""What is written lies where the next request is read into: it is copied if it is put off."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import cast

import pytest

from fuse_driver.files import FileHandlers
from fuse_driver.kernel.abi import IN_HEADER, OPEN_IN, WRITE_IN, Opcode
from fuse_driver.kernel.requests import Later, Request
from sqlfs.types import Attributes
from sqlfs.volume.session import Session

DATA = b"what is written"


class Recorder:
    """As much of a session as writing needs."""

    def __init__(self, congested: bool) -> None:
        self.volume = SimpleNamespace(chunk_size=1 << 16)
        self.root = 1
        self.written: list[bytes] = []
        self._congested = congested

    def congested(self) -> bool:
        return self._congested

    def wait_uncongested(self) -> None:
        pass

    def catching_up(self) -> bool:
        return False

    def sync(self) -> None:
        pass

    def open(self, node: int, flags: int) -> int:
        del node, flags
        return 7

    def getattr(self, node: int) -> Attributes:
        raise AssertionError(node)

    def write(self, handle: int, offset: int, data: bytes | memoryview) -> int:
        assert (handle, offset) == (7, 3)
        self.written.append(bytes(data))
        return len(data)


def request(buffer: bytearray, opcode: Opcode, body: bytes) -> Request:
    size = IN_HEADER.size + len(body)
    buffer[:size] = IN_HEADER.pack(size, opcode, 1, 2, 0, 0, 0, 0, 0) + body
    return Request(memoryview(buffer)[:size])


@pytest.mark.parametrize(
    ("congested", "synchronous", "flags"),
    [
        (False, False, os.O_WRONLY),
        (True, False, os.O_WRONLY),
        (False, True, os.O_WRONLY),
        (False, False, os.O_WRONLY | os.O_SYNC),
    ],
)
def test_what_is_put_off_is_kept(congested: bool, synchronous: bool, flags: int) -> None:
    session, buffer = Recorder(congested), bytearray(4096)
    handlers = FileHandlers(cast(Session, session), synchronous=synchronous)
    try:
        handlers.open(request(buffer, Opcode.OPEN, OPEN_IN.pack(flags, 0)))
        body = WRITE_IN.pack(7, 3, len(DATA), 0, 0, flags, 0) + DATA
        reply = handlers.write(request(buffer, Opcode.WRITE, body))
        assert isinstance(reply, Later) == bool(congested or synchronous or flags & os.O_SYNC)
        buffer[:] = bytes(len(buffer))
        if isinstance(reply, Later):
            reply.work()
        assert session.written == [DATA]
    finally:
        handlers.close()
