"""Logs that are kept where SQLite does not look for them: none is ever deleted unread."""

from __future__ import annotations

import shutil
from pathlib import Path

from sqlfs.errors import StoreError
from sqlfs.store.log import log_path


def set_aside(path: Path, *, damaged: bool) -> str:
    """Move the log beside the file at `path` away; returns a line for the user."""
    log = log_path(path)
    aside = _free_name(log, "unmatched")
    log.rename(aside)
    if damaged:
        return f"the log of {path} is damaged; it is now {aside.name}"
    return f"a log that does not belong to {path} lay beside it; it is now {aside.name}"


def copy_aside(path: Path) -> str:
    """Copy the log before it is gone on with; returns a line for the user.  Raises StoreError."""
    log = log_path(path)
    aside = _free_name(log, "damaged")
    try:
        shutil.copyfile(log, aside)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise StoreError(
            f"the damaged log {log} can't be copied to {aside.name} before it is gone on with:"
            f" {error.strerror}",
            errno_=error.errno,
        ) from error
    return f"the log of {path} is damaged; as it was, it is now {aside.name}"


def _free_name(log: Path, what: str) -> Path:
    number = 1
    while (aside := log.with_name(f"{log.name}.{what}-{number}")).exists():
        number += 1
    return aside
