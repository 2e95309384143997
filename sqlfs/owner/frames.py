"""Messages on a stream socket: a u32 (little endian) of the body's length, then msgpack."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from typing import Final

import msgpack  # type: ignore[import-untyped]

from sqlfs.errors import ConnectionLost, Invalid
from sqlfs.limits import IO_BYTES_MAX, KIB, MESSAGE_BYTES_MAX, XATTR_VALUE_BYTES_MAX

# A request carries at most one write or one extended attribute, with its frame around it.
REQUEST_BYTES_MAX: Final = IO_BYTES_MAX + 64 * KIB
assert XATTR_VALUE_BYTES_MAX + KIB < REQUEST_BYTES_MAX <= MESSAGE_BYTES_MAX

_LENGTH = struct.Struct("<I")


class Malformed(ConnectionLost):
    """The peer sent what the protocol does not know; its connection ends."""


def pack(message: Sequence[object]) -> bytes:
    """`message` with its length in front.  Raises Invalid when a value in it can't travel."""
    try:
        body: bytes = msgpack.packb(message, unicode_errors="surrogateescape")
    except (OverflowError, TypeError, ValueError) as error:
        raise Invalid(f"a value can't travel between the owner and a client: {error}") from error
    if len(body) > MESSAGE_BYTES_MAX:
        raise Invalid(f"a message of {len(body)} bytes is over the limit of {MESSAGE_BYTES_MAX}")
    return _LENGTH.pack(len(body)) + body


def send(connection: socket.socket, message: Sequence[object]) -> None:
    """Send all of `message`.  Raises Invalid (then nothing was sent), ConnectionLost."""
    packed = pack(message)
    try:
        connection.sendall(packed)
    except OSError as error:
        raise ConnectionLost(f"the connection broke: {error.strerror or error}") from error


def receive(connection: socket.socket, bytes_max: int = MESSAGE_BYTES_MAX) -> list[object]:
    """The next message, of at most `bytes_max` bytes.  Raises ConnectionLost (at its end, too),
    Malformed."""
    (length,) = _LENGTH.unpack(_receive_exactly(connection, _LENGTH.size))
    if length > bytes_max:
        raise Malformed(f"a message of {length} bytes is over the limit of {bytes_max}")
    body = _receive_exactly(connection, length)
    try:
        message = msgpack.unpackb(body, unicode_errors="surrogateescape", strict_map_key=True)
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        raise Malformed(f"a message is not msgpack: {error}") from error
    if not isinstance(message, list):
        raise Malformed("a message is not a list")
    return message


def _receive_exactly(connection: socket.socket, size: int) -> bytearray:
    # The kernel gives a fresh buffer its pages as bytes arrive: announcing much costs nothing.
    buffer = bytearray(size)
    view = memoryview(buffer)
    while view:
        try:
            count = connection.recv_into(view)
        except OSError as error:
            raise ConnectionLost(f"the connection broke: {error.strerror or error}") from error
        if count == 0:
            raise ConnectionLost("the connection ended")
        view = view[count:]
    return buffer
