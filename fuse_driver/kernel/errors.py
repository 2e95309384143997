"""The one place where errors become an errno for the kernel."""

from __future__ import annotations

import errno
import logging

from sqlfs.errors import SqlfsError

log = logging.getLogger(__name__)


class Fault(Exception):
    """An errno that is the protocol's business alone, not the volume's."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def answer_for(error: Exception) -> int:
    """What the kernel is told.  EIO alone says too little: the log says the rest."""
    if isinstance(error, SqlfsError):
        code = error.errno or errno.EIO
        if code == errno.EIO and not error.told:
            log.error("%s", error.message)
        return code
    if isinstance(error, Fault):
        return error.number
    log.error("unexpected failure", exc_info=error)
    return errno.EIO
