"""One SQLite file is a whole file system: namespace, history, keys and content.

::

    import sqlfs

    with sqlfs.open("photos.sqlite", create=True) as store:
        store.create_volume("photos", passphrase="correct horse")
        with store.mount("photos", passphrase="correct horse") as fs:
            fs.write_bytes("/a.txt", b"a sunset")
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlfs import errors
    from sqlfs.owner import Store
    from sqlfs.volume.files import FileSystem

    __version__: str

__all__ = ["FileSystem", "Store", "__version__", "errors", "open"]

_HOMES = {"FileSystem": "sqlfs.volume.files", "Store": "sqlfs.owner"}


def open(
    path: str | bytes | os.PathLike[str] | os.PathLike[bytes],
    *,
    create: bool = False,
    read_only: bool = False,
    accept_state: bool = False,
) -> Store:
    """Open the volume file at `path`; with `create`, make an empty one if there is none.

    The first process to open a file owns it, later ones become its clients; both use the same
    :class:`Store`.  `accept_state` goes on from what the file holds when its log is missing.
    Raises a :class:`sqlfs.errors.StoreError` that says what is wrong with the file, and NotFound.
    """
    from sqlfs.owner import open as open_store

    return open_store(path, create=create, read_only=read_only, accept_state=accept_state)


# Whoever needs only a part, such as the errors, must not pay for loading the rest.
def __getattr__(name: str) -> object:
    if name == "__version__":
        return _version()
    if name == "errors":
        return importlib.import_module("sqlfs.errors")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("sqlfs")
    except PackageNotFoundError:
        return "0+unknown"  # a bare checkout
