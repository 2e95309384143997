"""What the kernel is told to do with an open file."""

from __future__ import annotations

import os

import pytest

from fuse_driver.kernel.abi import FOPEN_NOFLUSH, IN_HEADER, OPEN_IN, OPEN_OUT, Opcode
from fuse_driver.kernel.requests import Request, handlers_of
from fuse_driver.operations import Operations
from sqlfs.types import Caller
from tests.model.session import ModelSession


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
    body = OPEN_IN.pack(flags, 0)
    header = IN_HEADER.pack(IN_HEADER.size + len(body), Opcode.OPEN, 1, made.node, 0, 0, 1, 0, 0)
    operations = Operations(session)
    try:
        reply = handlers_of(operations)[Opcode.OPEN](Request(memoryview(header + body)))
    finally:
        operations.close()
    assert isinstance(reply, bytes)
    _, open_flags, _ = OPEN_OUT.unpack(reply)
    assert bool(open_flags & FOPEN_NOFLUSH) == (not is_asked)
