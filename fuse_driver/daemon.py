"""Going to the background, but only once the work has succeeded so far.

The child does everything: threads and locks do not survive a fork.  It keeps the terminal until
it is ready, so that it can ask for a passphrase and say what went wrong.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from typing import Final, NoReturn, TypeVar

NO_ANSWER: Final = 1

Detach = Callable[[], None]
R = TypeVar("R")


def in_background(work: Callable[[Detach], int]) -> int:
    """Run `work` in a child and return when it calls its argument (0) or ends (its exit code).

    The call takes the child off the terminal; only then does this function return in the parent.
    In the child it never returns.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _run_child(work, writing)
    os.close(writing)
    answer = _uninterrupted(lambda: os.read(reading, 1))
    os.close(reading)
    if answer:
        return 0
    _, status = _uninterrupted(lambda: os.waitpid(child, 0))
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        print(f"sqlfs-mount: ended by signal {-code} before it was ready", file=sys.stderr)
    return code if code > 0 else NO_ANSWER


def _uninterrupted(wait: Callable[[], R]) -> R:
    """An interrupt reaches the child as well: what it means is for the child to say."""
    while True:
        with contextlib.suppress(KeyboardInterrupt):
            return wait()


def _run_child(work: Callable[[Detach], int], writing: int) -> NoReturn:
    code = NO_ANSWER
    try:
        code = work(lambda: _detach(writing))
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(code)


def _detach(writing: int) -> None:
    os.setsid()
    os.chdir("/")
    sys.stdout.flush()
    sys.stderr.flush()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    with contextlib.suppress(BrokenPipeError):  # nobody waits any more
        os.write(writing, b"\0")
    os.close(writing)
