"""Functions that run in processes of their own, as other users if need be."""

from __future__ import annotations

import os
import pickle
import select
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NoReturn, TypeVar

from conformance.posix.expect import DEADLINE_S

R = TypeVar("R")


@dataclass(frozen=True)
class User:
    """The credentials of a process: real, effective and saved alike."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()

    def become(self) -> None:
        """Drop to this user for good: no capability is left."""
        os.setgroups(self.groups)
        os.setresgid(self.gid, self.gid, self.gid)
        os.setresuid(self.uid, self.uid, self.uid)

    def also_in(self, *groups: int) -> User:
        return User(self.uid, self.gid, (*self.groups, *groups))


ALICE = User(61001, 61001)
BOB = User(61002, 61002)
STAFF = 61100


class Child(Generic[R]):
    """A forked process that runs one function."""

    def __init__(self, function: Callable[[], R], user: User | None = None) -> None:
        self._results, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._results)
            _run(function, user, writing)
        os.close(writing)
        self._status: int | None = None

    def result(self) -> R:
        """What the function returned or raised.  Fails if the process dies of something else."""
        data = self._read_all()
        self.wait()
        if not data:
            raise AssertionError(f"the child died: {self.how_it_ended()}")
        ok, value = pickle.loads(data)
        if not ok:
            raise value
        result: R = value
        return result

    def running(self) -> bool:
        """Whether there is no result yet."""
        return not select.select([self._results], [], [], 0)[0]

    def wait(self) -> int:
        """Its wait status, when it has ended."""
        if self._status is None:
            _, self._status = os.waitpid(self.pid, 0)
            os.close(self._results)
        return self._status

    def how_it_ended(self) -> str:
        """``signal SIGBUS`` or ``exit 0``."""
        status = self.wait()
        if os.WIFSIGNALED(status):
            return f"signal {signal.Signals(os.WTERMSIG(status)).name}"
        return f"exit {os.WEXITSTATUS(status)}"

    def kill(self) -> None:
        if self._status is None:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()

    def _read_all(self) -> bytes:
        pieces: list[bytes] = []
        while True:
            if not select.select([self._results], [], [], DEADLINE_S)[0]:
                self.kill()
                raise AssertionError("the child does not end")
            piece = os.read(self._results, 1 << 16)
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)


def in_child(function: Callable[[], R], user: User | None = None) -> R:
    """Run `function` in a process of its own and hand over what it returns or raises."""
    return Child(function, user).result()


def _run(function: Callable[[], object], user: User | None, writing: int) -> NoReturn:
    try:
        if user is not None:
            user.become()
        answer = (True, function())
    except OSError as error:
        answer = (False, OSError(*error.args))
    except BaseException:
        answer = (False, AssertionError(traceback.format_exc()))
    try:
        with open(writing, "wb") as stream:
            pickle.dump(answer, stream)
    finally:
        os._exit(0)
