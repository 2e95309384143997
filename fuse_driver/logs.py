"""Where the log goes: a file, the foreground's standard error, or syslog."""

from __future__ import annotations

import logging
import os
from logging.handlers import SysLogHandler
from pathlib import Path
from typing import Final

from sqlfs.errors import InputOutput

SYSLOG_SOCKET: Final = "/dev/log"


def start(file: Path | None, *, foreground: bool) -> None:
    """Send the log of this process there from now on.  Raises InputOutput if it cannot be."""
    handler: logging.Handler
    name = f"sqlfs-mount[{os.getpid()}]"
    if file is not None:
        try:
            handler = logging.FileHandler(file)
        except OSError as error:
            raise InputOutput(
                f"cannot log to {file}: {error.strerror}", errno_=error.errno
            ) from None
        form = f"%(asctime)s {name}: %(levelname)s: %(message)s"
    elif foreground:
        handler = logging.StreamHandler()
        form = f"{name}: %(levelname)s: %(message)s"
    else:
        handler = SysLogHandler(SYSLOG_SOCKET, SysLogHandler.LOG_DAEMON)
        form = f"{name}: %(levelname)s: %(message)s"
    # Where no syslog listens, there is nobody to complain to about each line either.
    logging.raiseExceptions = False
    logging.basicConfig(level=logging.INFO, format=form, handlers=[handler], force=True)
