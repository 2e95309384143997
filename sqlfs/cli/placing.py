"""Where sources go, as cp and mv decide it: into a directory, or under a name of their own."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Sequence

from sqlfs.errors import NotADirectory


def placed(
    sources: Sequence[str], destination: str, is_directory: Callable[[str], bool]
) -> Iterator[tuple[str, str]]:
    """Each source with its target.

    A source without a name of its own (``/``, ``.`` or ``..`` at the end) takes the very place
    of the directory `destination`.  Raises NotADirectory when there are several sources, or a
    slash at its end, and `destination` is no directory.
    """
    inside = is_directory(destination)
    if not inside and (len(sources) > 1 or destination.endswith("/")):
        raise NotADirectory(f"{destination!r} is not a directory; make it first")
    for source in sources:
        name = posixpath.basename(source.rstrip("/"))
        own = inside and name not in ("", ".", "..")
        yield source, posixpath.join(destination, name) if own else destination
