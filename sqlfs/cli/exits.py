"""Exit codes of the commands: a stable contract with scripts."""

from __future__ import annotations

import errno
from enum import IntEnum
from typing import Final

from sqlfs.errors import (
    Corrupt,
    InUse,
    MissingLog,
    NoPassphraseNeeded,
    NotAVolumeFile,
    PassphraseNeeded,
    PeerRefused,
    SqlfsError,
    UnsupportedFormat,
    UsageError,
    WrongPassphrase,
)


class Exit(IntEnum):
    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    DENIED = 4  # a wrong or missing passphrase, or no permission
    DAMAGED = 5
    IN_USE = 6
    UNSUPPORTED = 7  # not a volume file, or one of a newer format
    INTERRUPTED = 130  # by SIGINT, as shells say it
    BROKEN_PIPE = 141  # by SIGPIPE, as shells say it


# What the class says goes before what the errno says; the first class that fits counts.
_OF_CLASS: Final[tuple[tuple[type[SqlfsError], Exit], ...]] = (
    (UsageError, Exit.USAGE),
    (NoPassphraseNeeded, Exit.USAGE),
    (NotAVolumeFile, Exit.UNSUPPORTED),
    (UnsupportedFormat, Exit.UNSUPPORTED),
    (Corrupt, Exit.DAMAGED),
    (MissingLog, Exit.DAMAGED),
    (InUse, Exit.IN_USE),
    (WrongPassphrase, Exit.DENIED),
    (PassphraseNeeded, Exit.DENIED),
    (PeerRefused, Exit.DENIED),
)

_OF_ERRNO: Final = {
    errno.ENOENT: Exit.NOT_FOUND,
    errno.EACCES: Exit.DENIED,
    errno.EPERM: Exit.DENIED,
}


def exit_code(error: SqlfsError) -> int:
    """The code that a command ends with when `error` stopped it."""
    for kind, code in _OF_CLASS:
        if isinstance(error, kind):
            return code
    return _OF_ERRNO.get(error.errno or 0, Exit.FAILED)
