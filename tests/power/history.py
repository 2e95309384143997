"""The states that a file passed through, and what a cut may give back of them."""

from __future__ import annotations


class History:
    """States by number, in order; the same one may come again.  What `beside` says is part of
    each that is added."""

    def __init__(self) -> None:
        self.states: list[bytes] = []
        self.beside = b""

    def add(self, digest: bytes) -> int:
        digest += self.beside
        if not self.states or self.states[-1] != digest:
            self.states.append(digest)
        return self.last

    @property
    def last(self) -> int:
        return len(self.states) - 1

    def holds(self, digest: bytes, since: int) -> bool:
        """Whether `digest` is a state that is not older than number `since`."""
        return digest in self.states[since:]

    def cut_to(self, digest: bytes) -> None:
        """Forget what came after the last time that `digest` was the state."""
        while self.states[-1] != digest:
            self.states.pop()
