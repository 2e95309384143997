"""`python -m tests.doors.following FILE`: a client of FILE's owner, and the first to follow on it.

Prints READY when it has a session, and then, for each line of stdin, its role.
"""

from __future__ import annotations

import sys

import sqlfs
from sqlfs.owner import succession


def main() -> None:
    succession._HEAD_START_S = 0.0  # type: ignore[misc]
    with sqlfs.open(sys.argv[1]) as store:
        session = store.session("main")
        print("READY", flush=True)
        for _ in sys.stdin:
            session.getattr(session.root)
            print("owner" if store.is_owner else "client", flush=True)


if __name__ == "__main__":
    main()
