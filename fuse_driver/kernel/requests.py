"""A request, and who answers it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final, TypeVar

from fuse_driver.kernel.abi import IN_HEADER, Opcode
from sqlfs.types import Caller

Reply = bytes | None  # None: the request has no answer


@dataclass(slots=True)
class Later:
    """An answer that may have to be waited for: `work` runs on a thread of `threads`."""

    work: Callable[[], Reply]
    threads: Executor


Handler = Callable[["Request"], Reply | Later]
H = TypeVar("H", bound=Callable[..., Reply | Later])

_ANSWERS: Final = "answers_opcodes"
_BODY: Final = IN_HEADER.size


class Request:
    """One request of the kernel.

    `message` lies in the buffer that the next request is read into: what outlives the handler
    must be copied, as every method here does but :attr:`body`.
    """

    __slots__ = ("_message", "gid", "inode", "opcode", "pid", "uid", "unique")

    def __init__(self, message: memoryview) -> None:
        self._message = message
        (_, self.opcode, self.unique, self.inode, self.uid, self.gid, self.pid, _, _) = (
            IN_HEADER.unpack_from(message)
        )

    @property
    def body(self) -> memoryview:
        """What follows the header."""
        return self._message[_BODY:]

    def fields(self, structure: Struct) -> tuple[Any, ...]:
        """The values of the structure that the body begins with."""
        return structure.unpack_from(self._message, _BODY)

    def name(self, after: Struct | None = None) -> bytes:
        """The name that the body ends with, behind structure `after`."""
        return self._message[_BODY + after.size if after else _BODY : -1].tobytes()

    def names(self, after: Struct | None = None) -> tuple[bytes, bytes]:
        """The two names that the body ends with."""
        first, _, second = self.name(after).partition(b"\0")
        return first, second

    def caller(self, umask: int = 0) -> Caller:
        return Caller(uid=self.uid, gid=self.gid, umask=umask, pid=self.pid)


def answers(*opcodes: Opcode) -> Callable[[H], H]:
    """Mark a method as the handler of requests with these opcodes."""

    def mark(handler: H) -> H:
        setattr(handler, _ANSWERS, opcodes)
        return handler

    return mark


def handlers_of(owner: object) -> dict[int, Handler]:
    """The methods of `owner` that :func:`answers` has marked, by opcode."""
    table: dict[int, Handler] = {}
    for name in dir(type(owner)):
        for opcode in getattr(getattr(type(owner), name), _ANSWERS, ()):
            table[int(opcode)] = getattr(owner, name)
    return table
