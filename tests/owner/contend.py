"""`python -m tests.owner.contend`: open and close files as stdin says, to race with others.

Each line is a path to open, or ``close``; each is answered with what this process became.
"""

from __future__ import annotations

import sys

import sqlfs


def main() -> None:
    store: sqlfs.Store | None = None
    print("READY", flush=True)
    for line in map(str.strip, sys.stdin):
        if line == "close":
            assert store is not None
            store.close()
            print("closed", flush=True)
            continue
        try:
            store = sqlfs.open(line, create=True)
            store.volumes()
            print("owner" if store.is_owner else "client", flush=True)
        except sqlfs.errors.SqlfsError as error:
            print(f"{type(error).__name__}: {error}", flush=True)


if __name__ == "__main__":
    main()
