"""Whether a copy is whole: each is looked at once, when it is first opened.

A copy made while its original changed may hold pages of two moments.  SQLite's own check finds
where they do not fit together, and the digest of all rows where they do.  Content is not read: the
seal of each chunk says at every read whether it is the right one.  So does that of a row which is
longer than its page has room for: the digest has what such a row begins with, and not the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import apsw

from sqlfs.errors import Corrupt
from sqlfs.store.decision import when
from sqlfs.store.digest import COVERED, Progress, digest_of
from sqlfs.store.lineage import Lineage
from sqlfs.store.statements import statements

_STRUCTURE = ("lineage", "mount", *COVERED)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The digest of the rows of a copy, and whether all is of the moment of its record."""

    digest: bytes
    whole: bool


def verify(
    connection: apsw.Connection, path: Path, lineage: Lineage, progress: Progress | None = None
) -> Verdict:
    """Raises Corrupt where SQLite can't make sense of the tables."""
    try:
        for table in _STRUCTURE:
            _require_sound(connection, path, f"integrity_check({table})")
        digest = digest_of(connection, progress)
    except (apsw.Error, UnicodeDecodeError) as error:
        raise Corrupt(_unusable(path, str(error))) from error
    return Verdict(digest, digest == lineage.digest and _content_is_in_place(connection))


def require_usable(connection: apsw.Connection, path: Path) -> None:
    """Raises Corrupt when a copy that is not whole can't be gone on from, either."""
    try:
        _require_sound(connection, path, "integrity_check")
    except apsw.Error as error:
        raise Corrupt(_unusable(path, str(error))) from error


def _require_sound(connection: apsw.Connection, path: Path, check: str) -> None:
    found = connection.execute(f"PRAGMA {check}").fetchall()
    if found != [("ok",)]:
        raise Corrupt(_unusable(path, str(found[0][0])))


def _content_is_in_place(connection: apsw.Connection) -> bool:
    try:
        (counts,) = connection.execute(statements()["content_in_place"]).fetchall()
    except apsw.Error:
        return False
    return len(set(counts)) == 1


def torn_notice(path: Path, lineage: Lineage, *, is_copy: bool) -> str:
    """What is said of a copy that is not whole; or of a file whose log is damaged, when it has only
    a part of that in it."""
    what, remedy = "a torn copy", "copy it anew"
    if not is_copy:
        what, remedy = "torn, and its log is damaged", "put the log back"
    return (
        f"{path} is {what}: not all of it is of the same moment,"
        f" {when(lineage.written_ns)}; it can be read only: {remedy}, or go on from what it"
        " holds with --accept-state"
    )


def _unusable(path: Path, why: str) -> str:
    return (
        f"{path} is a torn or damaged copy (SQLite says: {' '.join(why.split())}); copy it anew, or"
        f" get out what is intact by: sqlfs salvage {path} DIRECTORY"
    )
