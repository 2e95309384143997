"""``walk``: as ``os.walk`` shows it, but from node to node.

A path has to be found again from the root for every directory, which a deep tree pays for with
the square of its depth; a node is where it is, also when somebody renames a directory above it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator

from sqlfs.errors import NotADirectory, SqlfsError
from sqlfs.volume.entries import Scan
from sqlfs.volume.paths import Text, encode
from sqlfs.volume.places import naming
from sqlfs.volume.session import Session

OnError = Callable[[SqlfsError], object] | None
Visit = tuple[Text, list[Text], list[Text]]


def walk(
    session: Session,
    top: Text,
    *,
    topdown: bool,
    onerror: OnError,
    followlinks: bool,
) -> Iterator[Visit[Text]]:
    """Directory, names of directories in it, names of the rest."""
    todo: list[tuple[Text, int] | Visit[Text]] = []

    def enter(path: Text, find: Callable[[], int | None]) -> None:
        try:
            with naming(path):
                node = find()
        except SqlfsError as error:
            if onerror is not None:
                onerror(error)
        else:
            if node is not None:
                todo.append((path, node))

    enter(top, lambda: _directory(session, encode(top)))
    while todo:
        at = todo.pop()
        if len(at) == 3:
            yield at
            continue
        path, node = at
        try:
            folders, others = _read(session, node, path)
        except SqlfsError as error:
            if onerror is not None:
                onerror(error)
            continue
        if topdown:
            yield path, folders, others
        else:
            todo.append((path, folders, others))
        # Who walks from the top down may have taken some away, or made others.
        for name in reversed(folders):
            enter(
                posixpath.join(path, name),
                lambda: _below(session, node, encode(name), followlinks),  # noqa: B023
            )


def _read(session: Session, node: int, path: Text) -> tuple[list[Text], list[Text]]:
    folders: list[Text] = []
    others: list[Text] = []
    with naming(path):
        for entry in Scan(session, node, path):
            (folders if entry.is_dir() else others).append(entry.name)
    return folders, others


def _below(session: Session, node: int, name: bytes, followlinks: bool) -> int | None:
    """The directory `name` in `node`; None when it is a symlink that is not to be followed."""
    found = session.lookup(node, name)
    if not found.is_symlink:
        return found.node
    return _directory(session, session.path_of(node) + b"/" + name) if followlinks else None


def _directory(session: Session, path: bytes) -> int:
    found = session.resolve(path)
    if not found.is_dir:
        raise NotADirectory("not a directory")
    return found.node
