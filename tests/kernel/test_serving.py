"""What the kernel hears, told by a socket in the place of /dev/fuse."""

from __future__ import annotations

import errno
import logging
import random
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from struct import Struct

import pytest

from fuse_driver.kernel.abi import IN_HEADER, INIT_OUT, OUT_HEADER, Feature, Opcode
from fuse_driver.kernel.device import Device
from fuse_driver.kernel.requests import Later, Reply, Request, answers, handlers_of
from fuse_driver.kernel.serving import NEEDED, WANTED, Serving
from sqlfs.errors import NotFound

DEADLINE_S = 60.0
INIT_IN = Struct("=IIIII44x")
EVERYTHING = WANTED | Feature.INIT_EXT


class Kernel:
    """Sends requests, and hears the answers."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._end.settimeout(DEADLINE_S)
        self._last = 0

    def send(self, opcode: int, body: bytes = b"") -> int:
        self._last += 1
        header = IN_HEADER.pack(
            IN_HEADER.size + len(body), opcode, self._last, 7, 1000, 100, 4711, 0, 0
        )
        self._end.send(header + body)
        return self._last

    def hear(self) -> tuple[int, int, bytes]:
        """Which request is answered, the errno, and the rest."""
        message = self._end.recv(1 << 20)
        size, error, unique = OUT_HEADER.unpack_from(message)
        assert size == len(message)
        return unique, -error, message[OUT_HEADER.size :]

    def ask(self, opcode: int, body: bytes = b"") -> tuple[int, bytes]:
        unique = self.send(opcode, body)
        answered, number, payload = self.hear()
        assert answered == unique
        return number, payload

    def init(self, major: int, minor: int, features: Feature) -> tuple[int, bytes]:
        flags = INIT_IN.pack(major, minor, 1 << 17, features & 0xFFFFFFFF, features >> 32)
        return self.ask(Opcode.INIT, flags)


class Handlers:
    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(1)
        self.go_on = threading.Event()

    @answers(Opcode.LOOKUP)
    def lookup(self, request: Request) -> Reply:
        return request.name()

    @answers(Opcode.UNLINK)
    def unlink(self, request: Request) -> Reply:
        raise NotFound(f"no {request.name()!r}")

    @answers(Opcode.GETATTR)
    def getattr(self, request: Request) -> Reply:
        raise NotFound(f"no node {request.unique}")

    @answers(Opcode.SETATTR)
    def setattr(self, request: Request) -> Later:
        return Later(lambda: self.getattr(request), self.threads)

    @answers(Opcode.RMDIR)
    def rmdir(self, request: Request) -> Reply:
        raise RuntimeError(f"broken by {request.name()!r}")

    @answers(Opcode.FORGET)
    def forget(self, request: Request) -> Reply:
        del request
        return None

    @answers(Opcode.FSYNC, Opcode.FSYNCDIR)
    def fsync(self, request: Request) -> Later:
        name = request.name()

        def work() -> bytes:
            self.go_on.wait(DEADLINE_S)
            return name

        return Later(work, self.threads)


@pytest.fixture
def handlers() -> Iterator[Handlers]:
    handlers = Handlers()
    yield handlers
    handlers.threads.shutdown()


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def serving(handlers: Handlers, ends: tuple[socket.socket, socket.socket]) -> Serving:
    return Serving(Device(ends[1].fileno()), handlers_of(handlers))


@pytest.fixture
def kernel(serving: Serving, ends: tuple[socket.socket, socket.socket]) -> Iterator[Kernel]:
    ours, _ = ends
    thread = threading.Thread(target=serving.run)
    thread.start()
    yield Kernel(ours)
    ours.close()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()


def test_both_agree_on_what_both_know(kernel: Kernel) -> None:
    number, payload = kernel.init(7, 45, EVERYTHING | Feature(1 << 16) | Feature(1 << 40))
    major, minor, _, flags, *_, flags2, _, _ = INIT_OUT.unpack(payload)
    assert (number, major, minor) == (0, 7, 45)
    assert flags | flags2 << 32 == WANTED


def test_an_older_kernel_gets_less(kernel: Kernel) -> None:
    _, payload = kernel.init(7, 33, NEEDED)
    _, minor, _, flags, *_ = INIT_OUT.unpack(payload)
    assert (minor, flags) == (33, NEEDED)


@pytest.mark.parametrize(
    ("major", "minor", "features"),
    [(7, 32, EVERYTHING), (8, 45, EVERYTHING), (7, 45, EVERYTHING & ~Feature.DONT_MASK)],
)
def test_a_kernel_that_is_too_old_is_refused(
    kernel: Kernel, caplog: pytest.LogCaptureFixture, major: int, minor: int, features: Feature
) -> None:
    assert kernel.init(major, minor, features) == (errno.EPROTO, b"")
    assert "too old" in caplog.text


def test_an_answer_and_an_error(kernel: Kernel) -> None:
    assert kernel.ask(Opcode.LOOKUP, b"name\0") == (0, b"name")
    assert kernel.ask(Opcode.UNLINK, b"name\0") == (errno.ENOENT, b"")


@pytest.mark.parametrize("opcode", [Opcode.GETATTR, Opcode.SETATTR])
def test_a_node_that_is_gone_is_looked_up_anew(kernel: Kernel, opcode: Opcode) -> None:
    assert kernel.ask(opcode) == (errno.ESTALE, b"")


def test_an_unexpected_failure_is_logged_and_the_next_request_answered(
    kernel: Kernel, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        assert kernel.ask(Opcode.RMDIR, b"name\0") == (errno.EIO, b"")
    assert "RuntimeError: broken by" in caplog.text
    assert kernel.ask(Opcode.LOOKUP, b"name\0") == (0, b"name")


def test_what_nobody_answers_is_not_implemented(kernel: Kernel) -> None:
    assert kernel.ask(Opcode.STATX) == (errno.ENOSYS, b"")
    assert kernel.ask(4095) == (errno.ENOSYS, b"")


def test_a_forget_has_no_answer(kernel: Kernel) -> None:
    kernel.send(Opcode.FORGET, bytes(8))
    assert kernel.ask(Opcode.LOOKUP, b"name\0") == (0, b"name")


def test_who_waits_holds_nobody_up(kernel: Kernel, handlers: Handlers) -> None:
    waiting = kernel.send(Opcode.FSYNC, b"first\0")
    assert kernel.ask(Opcode.LOOKUP, b"second\0") == (0, b"second")
    handlers.go_on.set()
    # What the handler took from the request is not that of the one after it.
    assert kernel.hear() == (waiting, 0, b"first")


def test_any_number_may_wait(kernel: Kernel, handlers: Handlers) -> None:
    waiting = {kernel.send(Opcode.FSYNC, b"first\0") for _ in range(10)}
    assert kernel.ask(Opcode.LOOKUP, b"second\0") == (0, b"second")
    handlers.go_on.set()
    assert {kernel.hear() for _ in waiting} == {(each, 0, b"first") for each in waiting}


def test_readers_take_turns(kernel: Kernel, handlers: Handlers) -> None:
    """Whether a request comes before, while or after the one before it is done: each is answered
    once."""
    handlers.go_on.set()
    chance = random.Random(1)
    for _ in range(500):
        asked = {
            kernel.send(chance.choice([Opcode.FSYNC, Opcode.LOOKUP]), b"name\0")
            for _ in range(chance.choice([1, 1, 2, 3, 6]))
        }
        assert sorted(kernel.hear() for _ in asked) == [
            (each, 0, b"name") for each in sorted(asked)
        ]


def test_the_end_comes_after_what_is_under_way(
    kernel: Kernel, handlers: Handlers, serving: Serving
) -> None:
    waiting = kernel.send(Opcode.FSYNC, b"first\0")
    assert kernel.ask(Opcode.LOOKUP, b"second\0") == (0, b"second")
    answered = threading.Event()
    seen = []

    def end() -> None:
        serving.end()
        seen.append(answered.is_set())

    ending = threading.Thread(target=end)
    ending.start()
    while kernel.ask(Opcode.LOOKUP, b"third\0") != (errno.ENOTCONN, b""):
        pass
    assert ending.is_alive()
    answered.set()
    handlers.go_on.set()
    assert kernel.hear() == (waiting, 0, b"first")
    ending.join(DEADLINE_S)
    assert seen == [True]
