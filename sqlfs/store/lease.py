"""The kernel's write lease on the volume file: whoever opens the file waits until it is given up.

`F_SETLEASE`, see fcntl(2).  When somebody opens a file under a write lease, the kernel has him
wait, at most `/proc/sys/fs/lease-break-time` seconds, and sends its holder a signal.  In a program
that only uses this package nothing may happen to handlers of signals, and a signal that nobody
expects ends the process.  So it goes to one thread, of ours, in which it is blocked, and which
reads it from a descriptor.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import signal
import struct
import threading
import time
from pathlib import Path

# As the kernel's headers have them; Python's fcntl has no name for some.
_F_SETSIG = 10
_F_SETOWN_EX = 15
_F_OWNER_TID = 0
_OWNER = struct.Struct("ii")
_WORD_BITS = 8 * ctypes.sizeof(ctypes.c_ulong)

# Not the first or the last real-time signal, which other libraries like best.
_SIGNAL = signal.SIGRTMAX - 3


def signal_descriptor() -> int:
    """Block the lease's signal in the calling thread; the descriptor from which it can be read, or
    -1.  The kernel sends SIGIO instead when too many signals are queued: blocked, too."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {_SIGNAL, signal.SIGIO})
    mask = (ctypes.c_ulong * (1024 // _WORD_BITS))()
    mask[(_SIGNAL - 1) // _WORD_BITS] = 1 << ((_SIGNAL - 1) % _WORD_BITS)
    try:
        signalfd = ctypes.CDLL(None, use_errno=True).signalfd
    except AttributeError:
        return -1
    return int(signalfd(-1, ctypes.byref(mask), os.O_NONBLOCK | os.O_CLOEXEC))


class WriteLease:
    """On the file of `fd`, which the process has open for writing through nothing else.  Not
    thread-safe.  The thread that makes it has called :func:`signal_descriptor`, and must live as
    long as the lease may be held."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._owner = _OWNER.pack(_F_OWNER_TID, threading.get_native_id())
        self._break_s = _break_s()
        self._wanted_since: float | None = None
        self.held = False
        # False once the kernel refused for another reason than that somebody has the file open:
        # the file system has no leases, or they are not for this user.
        self.available = True

    def take(self) -> bool:
        """Whether the lease is held now.  It can't be had while somebody else has the file open."""
        if self.held or not self.available:
            return self.held
        try:
            # Giving up a lease also forgets whom to send what.
            fcntl.fcntl(self._fd, _F_SETSIG, _SIGNAL)
            fcntl.fcntl(self._fd, _F_SETOWN_EX, self._owner)
            fcntl.fcntl(self._fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except OSError as error:
            self.available = error.errno == errno.EAGAIN
            return False
        self.held = True
        return True

    def is_wanted(self) -> bool:
        """Whether somebody waits to open the file.  One whom the kernel has let in, for that it
        took too long, waits no more: the lease is lost."""
        try:
            if not self.held or fcntl.fcntl(self._fd, fcntl.F_GETLEASE) == fcntl.F_WRLCK:
                return False
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            self.held = False  # the file is closed, and a signal that was sent before came late
            return False
        now = time.monotonic()
        if self._wanted_since is None:
            self._wanted_since = now
        if now - self._wanted_since < self._break_s:
            return True
        self.give_up()
        return False

    def give_up(self) -> None:
        if self.held:
            self.held, self._wanted_since = False, None
            try:
                fcntl.fcntl(self._fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
            except OSError as error:
                if error.errno != errno.EAGAIN:  # the kernel took it away
                    raise


def _break_s() -> float:
    """How long the kernel has others wait (seconds), less a margin."""
    try:
        return max(0.0, float(Path("/proc/sys/fs/lease-break-time").read_bytes()) - 2.0)
    except (OSError, ValueError):
        return 43.0
