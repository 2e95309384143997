"""`python -m tests.copies.owner FILE`: owns a volume file, and does what it is told, line by line.

`put NAME` makes a file that is durable when DONE is answered; the process ends with its input.
"""

from __future__ import annotations

import sys

import sqlfs


def main() -> None:
    with sqlfs.open(sys.argv[1], create=True) as store:
        if not store.volumes():
            store.create_volume("main")
        files = store.mount("main")
        print("READY", flush=True)
        for line in sys.stdin:
            _, name = line.split()
            files.write_text(f"/{name}", name)
            files.sync()
            print("DONE", flush=True)


if __name__ == "__main__":
    main()
