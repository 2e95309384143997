"""The file systems outside: their errors in the project's words, and files that must be let be."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlfs.errors import Invalid, SqlfsError, from_os
from sqlfs.volume.paths import decode, encode


def to_volume_text(word: str) -> str:
    """A local path or name, as Python decodes it here, as text of the same bytes in a volume."""
    return decode(os.fsencode(word))


def to_local_text(text: str) -> str:
    """The reverse of :func:`to_volume_text`."""
    return os.fsdecode(encode(text))


@contextmanager
def naming_local(path: Path) -> Iterator[None]:
    """An OSError inside becomes the SqlfsError of its meaning, and says which path it is about."""
    try:
        yield
    except (SqlfsError, BrokenPipeError):
        raise
    except OSError as error:
        raise from_os(error, repr(str(path))) from error


class VolumeFileGuard:
    """Knows the volume file that is open, and its log.

    This process must not open them: closing any descriptor of a file drops every lock that
    SQLite holds on it.  Nor does either belong into the other's content.
    """

    def __init__(self, file: Path) -> None:
        """`file` is open: its log exists."""
        file = file.resolve()
        self._identities = {
            (status.st_dev, status.st_ino)
            for path in (file, file.with_name(file.name + "-wal"))
            if (status := _status(path)) is not None
        }

    def check(self, path: Path) -> None:
        """Raises Invalid when `path` leads to one of them."""
        status = _status(path)
        if status is not None and (status.st_dev, status.st_ino) in self._identities:
            raise Invalid(f"{str(path)!r} is the volume file itself, or its log; leave it out")


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None
