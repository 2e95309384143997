"""What SQLite says that the pages of a sound file are used for."""

from __future__ import annotations

from collections import defaultdict
from contextlib import closing
from pathlib import Path

import apsw

# Trees whose pages hold rows that stand nowhere else: each as the leaves of a table, or as a whole.
NEEDED = {
    ("node", "leaf"),
    ("edge", "leaf"),
    ("xattr", "leaf"),
    ("xattr", "internal"),
    ("chunk_data", "leaf"),
    ("chunk_data", "overflow"),
    ("atime", "leaf"),
    ("key_slot", "leaf"),
    ("volume", "leaf"),
    ("counter", "leaf"),
}


def pages_by_use(path: Path) -> dict[tuple[str, str], list[int]]:
    """Numbers of pages by tree and kind; those of no tree by ("", "")."""
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    with closing(opened(path)) as connection:
        for page, tree, kind in connection.execute("SELECT pageno, name, pagetype FROM dbstat"):
            found[str(tree), str(kind)].append(int(str(page)))
        ((count,),) = connection.execute("PRAGMA page_count").fetchall()
    used = {page for pages in found.values() for page in pages}
    found["", ""] = [page for page in range(1, int(str(count)) + 1) if page not in used]
    return dict(found)


def rows_on(path: Path, page: int) -> int:
    with closing(opened(path)) as connection:
        query = "SELECT ncell FROM dbstat WHERE pageno = ?"
        ((count,),) = connection.execute(query, (page,)).fetchall()
    return int(str(count))


def opened(path: Path) -> apsw.Connection:
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    return apsw.Connection(f"{path.as_uri()}?immutable=1", flags)
