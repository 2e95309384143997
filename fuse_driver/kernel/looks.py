"""Answers that are on their way to the kernel while it is told to forget what they say."""

from __future__ import annotations

import time
from typing import Final

_ANSWERED_S_MAX: Final = 1.0
_LOOK_S: Final = 0.0005


class Looks:
    """Counts the requests whose answers tell the kernel of names, of which one is handled at a
    time: ``begun`` is written before, ``answered`` after it, by the thread that answers."""

    def __init__(self) -> None:
        self.begun = 0
        self.answered = 0

    def wait_answered(self, begun: int) -> None:
        """Return when the request that was the last when `begun` was read has been answered.  It
        waits for no other door: it only looks."""
        deadline = time.monotonic() + _ANSWERED_S_MAX
        while self.answered < begun and time.monotonic() < deadline:
            time.sleep(_LOOK_S)
