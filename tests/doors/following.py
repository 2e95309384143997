"""`python -m tests.doors.following FILE [asking|owning]`: a client of FILE's owner, and the first
to follow on it.

Prints READY when it has a session, and then, for each line of stdin, its role.  It may stop
itself (SIGSTOP) on the way: when it is about to look for the next owner, or when it has the file's
lock and does not yet listen.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import sqlfs
from sqlfs.owner import opening, succession
from sqlfs.owner.succession import Backend
from sqlfs.volume import VolumeFile


def stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def stop_at(where: str) -> None:
    again = opening._again

    def stop_and_ask(path: Path, read_only: bool, may_own: bool) -> Backend | None:
        if opening._again is stop_and_ask:
            opening._again = again  # once
            stop()
        return again(path, read_only, may_own)

    class Stopping(opening.DirectBackend):
        def __init__(self, file: VolumeFile) -> None:
            stop()
            super().__init__(file)

    if where == "asking":
        opening._again = stop_and_ask
    else:
        opening.DirectBackend = Stopping  # type: ignore[misc]


def main() -> None:
    succession._HEAD_START_S = 0.0  # type: ignore[misc]
    path, *where = sys.argv[1:]
    if where:
        stop_at(where[0])
    with sqlfs.open(path) as store:
        session = store.session("main")
        print("READY", flush=True)
        for _ in sys.stdin:
            session.getattr(session.root)
            print("owner" if store.is_owner else "client", flush=True)


if __name__ == "__main__":
    main()
