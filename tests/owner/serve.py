"""`python -m tests.owner.serve FILE [MOUNTPOINT [dies]]`: own FILE until stdin closes.

Creates FILE when it is missing; prints READY when others can connect.  With MOUNTPOINT it
poses as the driver of a mount there, on a volume called ``main``, and ends when it is asked to, or
dies of it.
"""

from __future__ import annotations

import os
import sys
import threading

import sqlfs


def main() -> None:
    path, *mountpoint = sys.argv[1:]
    dies = mountpoint[1:] == ["dies"]
    ended = threading.Event()
    with sqlfs.open(path, create=True) as store:
        if not store.is_owner:
            raise SystemExit(f"{path} is owned by process {store.owner_pid}")
        if mountpoint:
            if not store.volumes():
                store.create_volume("main")
            store.session("main", door="fuse", where=mountpoint[0])
            store.on_unmount_request(lambda: os._exit(1) if dies else ended.set())
        threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
        print("READY", flush=True)
        ended.wait()


if __name__ == "__main__":
    main()
