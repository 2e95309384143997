"""What a system call must answer."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# No condition that is waited for takes this long unless it never comes.
DEADLINE_S = 30.0


@contextmanager
def fails(*codes: int) -> Iterator[None]:
    """The block must raise OSError with one of `codes`."""
    wanted = " or ".join(errno.errorcode[code] for code in codes)
    try:
        yield
        got = "success"
    except OSError as error:
        if error.errno in codes:
            return
        got = errno.errorcode.get(error.errno or 0, str(error))
    raise AssertionError(f"expected {wanted}, got {got}") from None


def answer(call: Callable[[], object]) -> str:
    """The name of the errno that `call` raises, or "ok"."""
    try:
        call()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "ok"


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Return when `condition` holds; fail when it does not come to hold."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.001)


def exists(path: str | Path) -> bool:
    """Whether there is anything of that name, be it a symlink to nowhere."""
    return answer(lambda: os.lstat(path)) != "ENOENT"


def permissions(path: str | Path) -> int:
    """The 12 bits that chmod(2) sets."""
    return stat.S_IMODE(os.lstat(path).st_mode)
