"""`python -m tests.owner.lease FILE`: hold a lease on FILE, and never give it up."""

from __future__ import annotations

import fcntl
import os
import signal
import sys


def main() -> None:
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    descriptor = os.open(sys.argv[1], os.O_RDWR)
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    print("READY", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
