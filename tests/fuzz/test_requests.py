"""Requests as no kernel sends them: each is answered or refused, and the next one too."""

from __future__ import annotations

import os
import random
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fuse_driver.kernel.abi import IN_HEADER, OUT_HEADER, Opcode
from fuse_driver.kernel.device import Device
from fuse_driver.kernel.requests import handlers_of
from fuse_driver.kernel.serving import Serving
from fuse_driver.operations import Operations
from tests.format.volumes import VOLUME, Kind, create, put

DEADLINE_S = 60.0
REQUESTS = 1000 * int(os.environ.get("SQLFS_SOAK", "1"))
# Around every bound that a number may have.
_WORDS = (0, 1, 2, 3, 7, 255, 4096, 2**20, 2**31 - 1, 2**31, 2**32 - 1)
_LONG_WORDS = (0, 1, 2, 3, 2**20, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
_NAMES = (b"", b".", b"..", b"file", b"a/b", b"x" * 255, b"x" * 256, b"x" * 4096, b"\xff\xfe")


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[socket.socket]:
    """The kernel's end of a mount of a volume with a file in it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with create(tmp_path / "volume.sqlite", Kind()) as file, ours, theirs:
        session = file.session(VOLUME)
        put(session, b"file", (0, b"content"))
        operations = Operations(session)
        serving = Serving(Device(theirs.fileno()), handlers_of(operations))
        thread = threading.Thread(target=serving.run)
        thread.start()
        ours.settimeout(DEADLINE_S)
        try:
            yield ours
        finally:
            ours.close()
            thread.join(DEADLINE_S)
            operations.close()
        assert not thread.is_alive()


def body(chance: random.Random) -> bytes:
    """Numbers of both widths, and names behind them."""
    parts = []
    for _ in range(chance.randrange(12)):
        parts.append(
            struct.pack("=I", chance.choice(_WORDS))
            if chance.random() < 0.4
            else struct.pack("=Q", chance.choice(_LONG_WORDS))
        )
    for _ in range(chance.randrange(3)):
        parts.append(chance.choice(_NAMES) + b"\0" * chance.randrange(2))
    return b"".join(parts)


def answer_to(kernel: socket.socket, wanted: int) -> int:
    """The errno that request `wanted` is answered with; what comes before is let pass."""
    while True:
        message = kernel.recv(1 << 22)
        size, error, unique = OUT_HEADER.unpack_from(message)
        assert size == len(message)
        if unique == wanted:
            return -int(error)


def test_requests_without_sense(kernel: socket.socket) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for number in range(1, 2 * REQUESTS, 2):
        opcode = chance.choice([*Opcode, 0, 7, 4095, 2**32 - 1])
        if opcode in (Opcode.INIT, Opcode.DESTROY):
            continue  # the kernel's own
        node = chance.choice((0, 1, 2, 3, 2**40, 2**63, 2**64 - 1))
        sent = body(chance)
        who = chance.choice((0, 1000, 2**32 - 1))
        header = IN_HEADER.pack(IN_HEADER.size + len(sent), opcode, number, node, who, who, 1, 0, 0)
        kernel.send(header + sent)
        kernel.send(IN_HEADER.pack(IN_HEADER.size, Opcode.STATFS, number + 1, 1, 0, 0, 1, 0, 0))
        assert answer_to(kernel, number + 1) == 0, (seed, number)
