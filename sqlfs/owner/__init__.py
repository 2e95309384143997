"""One owner per volume file, and its clients: who opens the file, and how the others reach it."""

from sqlfs.owner.opening import open
from sqlfs.owner.store import Store

__all__ = ["Store", "open"]
