"""What a lookup answers when another door is faster."""

from __future__ import annotations

import errno

import pytest

from fuse_driver.kernel.abi import (
    DIRENT,
    ENTRY_BYTES,
    ENTRY_OUT,
    IN_HEADER,
    READ_IN,
    ROOT_INODE,
    Opcode,
)
from fuse_driver.kernel.errors import Fault
from fuse_driver.kernel.requests import Request, handlers_of
from fuse_driver.operations import Operations
from sqlfs.types import Attributes, Caller, DirectoryEntry
from tests.model.session import ModelSession

ME = Caller(0, 0)


class Replaced(ModelSession):
    """Has `name` replaced whenever it was just looked up, `times` times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def lookup(self, parent: int, name: bytes) -> Attributes:
        found = super().lookup(parent, name)
        if self.times:
            self.times -= 1
            self.mknod(parent, b"new", 0o600, 0, ME)
            self.rename(parent, b"new", parent, name)
        return found

    def readdir(self, node: int, cookie: int, limit: int) -> list[DirectoryEntry]:
        entries = super().readdir(node, cookie, limit)
        for each in entries:
            self.mknod(node, b"new", 0o600, 0, ME)
            self.rename(node, b"new", node, each.name)
        return entries


def answer(session: ModelSession, opcode: Opcode, body: bytes) -> bytes:
    """What a request about the root is answered."""
    header = IN_HEADER.pack(IN_HEADER.size + len(body), opcode, 1, ROOT_INODE, 0, 0, 1, 0, 0)
    operations = Operations(session)
    try:
        reply = handlers_of(operations)[opcode](Request(memoryview(header + body)))
    finally:
        operations.close()
    assert isinstance(reply, bytes)
    return reply


def ask(session: ModelSession, name: bytes) -> int:
    """The inode that a lookup of `name` in the root answers; 0: none."""
    return int(ENTRY_OUT.unpack_from(answer(session, Opcode.LOOKUP, name + b"\0"))[0])


def test_what_was_replaced_since_is_looked_up_anew() -> None:
    session = Replaced(times=3)
    session.mknod(session.root, b"name", 0o600, 0, ME)
    found = ask(session, b"name")
    assert session.times == 0
    assert found == session.lookup(session.root, b"name").node


def test_not_for_ever() -> None:
    session = Replaced(times=1000)
    session.mknod(session.root, b"name", 0o600, 0, ME)
    with pytest.raises(Fault) as raised:
        ask(session, b"name")
    assert raised.value.number == errno.ESTALE


def test_what_was_replaced_since_it_was_listed_is_a_name_without_attributes() -> None:
    session = Replaced(times=0)
    session.mknod(session.root, b"name", 0o600, 0, ME)
    listed = answer(session, Opcode.READDIRPLUS, READ_IN.pack(session.root, 2, 4096, 0))
    assert listed[:ENTRY_BYTES] == bytes(ENTRY_BYTES)
    _, _, size, _ = DIRENT.unpack_from(listed, ENTRY_BYTES)
    start = ENTRY_BYTES + DIRENT.size
    assert listed[start : start + size] == b"name"


def test_what_is_not_there() -> None:
    assert ask(ModelSession(), b"name") == 0
