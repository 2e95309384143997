"""Reading a file that SQLite calls malformed: page by page, without SQLite, believing nothing."""

from sqlfs.store.wreck.finds import Data, Finds, Rank
from sqlfs.store.wreck.scan import Wreck

__all__ = ["Data", "Finds", "Rank", "Wreck"]
