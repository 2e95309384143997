"""How far the log is durable; and that it says so itself."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from sqlfs.store.io import DataSyncer, Syncer
from sqlfs.store.lineage import Lineage
from sqlfs.store.log import write_tail
from sqlfs.store.place import Place

if TYPE_CHECKING:
    from sqlfs.store.database import Database


class LogSync:
    """The syncs of one log.  Commits count from the owner's first; `base` is the record in the file
    itself, which is as durable as any."""

    def __init__(
        self, database: Database, place: Place, base: Lineage, syncer: Syncer | None
    ) -> None:
        self._db = database
        self._place = place
        self._syncer = syncer or DataSyncer()
        self._turn = threading.Lock()  # one sync at a time; taken before the store's lock
        self.commits = 0  # that are durable; guarded by the store's lock
        self.generation = base.generation  # of the last durable record; guarded by the store's lock

    def up_to(self, commit: int) -> None:
        """One sync serves all who wait: a thread that finds its commit synced returns at once."""
        db = self._db
        with db.lock:
            if self.commits >= commit:
                return
        with self._turn:
            with db.lock:
                if self.commits >= commit:
                    return
                commits, generation = db.commits, db.lineage.generation
            db.syncing(self._place.sync_log)
            with db.lock:
                self._is_durable(commits, generation)

    def all(self) -> None:
        """Everything that was committed.  To be called under the store's lock."""
        self._db.syncing(self._place.sync_log)
        self._is_durable(self._db.commits, self._db.lineage.generation)

    def _is_durable(self, commits: int, generation: int) -> None:
        self.commits = max(self.commits, commits)
        self.generation = max(self.generation, generation)
        db = self._db
        if db.closed or not db.log_bytes or db.room.has_spilled():
            return  # there is no place behind the last commit
        record = db.lineage._replace(synced=self.generation)
        # Not synced: it is there after a kill, and the next sync takes it along.  Where it can't be
        # written nothing is lost but the proof that nothing is.
        with contextlib.suppress(OSError):
            frames = db.log_bytes // db.page_size
            write_tail(self._syncer, self._place.log_descriptor(), db.page_size, frames, record)
