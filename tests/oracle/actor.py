"""One of two sides: a directory, what is open below it, and the system calls taken there."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from tests.oracle.attribute_calls import AttributeCalls
from tests.oracle.content_calls import ContentCalls
from tests.oracle.handle_calls import HandleCalls
from tests.oracle.map_calls import MapCalls
from tests.oracle.name_calls import NameCalls


@dataclass(frozen=True, slots=True)
class Refused:
    """What a call answers that fails: the name of its errno."""

    code: str


class Actor(NameCalls, AttributeCalls, HandleCalls, ContentCalls, MapCalls):
    """Takes steps in `top`/root, a new directory; paths are relative to it.

    Steps name handles and maps by numbers of their own, which are the same on both sides.
    """

    def __init__(self, top: Path) -> None:
        super().__init__(top / "root")
        # What `..` leads to must be the same on both sides, too.
        self.top = top
        self.root.mkdir(parents=True)

    def act(self, verb: str, *arguments: object) -> object:
        """What the step `verb` returns, or Refused; equal on both sides if they behave alike."""
        try:
            return getattr(self, verb)(*arguments)
        except OSError as error:
            return Refused(errno.errorcode[error.errno or 0])

    def close_all(self) -> None:
        """Let go of everything, as before an unmount."""
        for mapped in self.maps.values():
            mapped.memory.close()
        for descriptor in self.descriptors.values():
            os.close(descriptor)
        self.maps.clear()
        self.descriptors.clear()
