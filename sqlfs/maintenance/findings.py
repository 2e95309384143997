"""What a check found wrong, and how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it must be.

    ``check``: the name of the invariant; ``what``: the thing affected; ``message``: one line.
    """

    check: str
    what: str
    message: str


Progress = Callable[[str, int, int], None]
"""Called now and then with what is being looked at, how much of it is done, and how much there is:
rows, or pieces of content."""
