"""What a check found wrong."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it must be.

    ``check``: the name of the invariant; ``what``: the thing affected; ``message``: one line.
    """

    check: str
    what: str
    message: str
