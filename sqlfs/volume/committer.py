"""When what is in memory goes to the log, and the log into the file.

One thread per volume file.  It stores sealed chunks, commits when the file has been idle for a
moment, after a second at the latest, or when much has gathered, makes the log durable, works off
the reclaim queue and folds deltas in small steps, and checkpoints when idle, at the log's bound, or
at once when somebody waits to open the file; but not while somebody else has it open.
"""

from __future__ import annotations

import logging
import threading
import time

from sqlfs.errors import SqlfsError
from sqlfs.limits import (
    CHECKPOINT_DEFERRED_S_MAX,
    CHECKPOINT_IDLE_S,
    COMMIT_AGE_S_MAX,
    COMMIT_BYTES,
    COMMIT_IDLE_S,
    COPY_AGE_S_MAX,
    LOG_BYTES_BOUND,
    LOG_BYTES_MAX,
    LOG_COMMITS_BOUND,
    MIB,
)
from sqlfs.store import Database, OpenWatch
from sqlfs.volume.mounts import Mounts
from sqlfs.volume.work import Work

log = logging.getLogger("sqlfs")

_LAND_AT_ONCE = 4  # chunks stored per hold of the lock
_RECLAIM_AT_ONCE = 4
_FOLD_AT_ONCE = 4  # slots per hold of the lock
_LONG_LOG_BYTES = 1 * MIB  # copying less takes no time
_LOOK_S = 0.5  # between two looks whether clients of a dead owner still live


class Committer:
    """Runs until :meth:`close`.  The times are guarded by the store's lock."""

    def __init__(self, database: Database, work: Work, watch: OpenWatch, mounts: Mounts) -> None:
        self._db = database
        self._work = work
        self._watch = watch
        self._mounts = mounts
        self._wake = threading.Event()
        self._closing = False
        self._said = ""  # what was logged last; it may go on for long
        self._dirty_since: float | None = None
        self._last_change = time.monotonic()
        self._deferred_since: float | None = None
        self._lags_since: float | None = None
        self._thread = threading.Thread(target=self._run, name="sqlfs-commit", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closing = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def touched(self) -> None:
        """Something changed in memory.  Called under the store's lock."""
        now = time.monotonic()
        self._last_change = now
        if self._dirty_since is None:
            self._dirty_since = now
            self._wake.set()

    def wake(self) -> None:
        """There may be something to store.  Called from any thread, under no lock."""
        self._wake.set()

    def _run(self) -> None:
        while not self._closing:
            try:
                pause = self._step()
            except SqlfsError as error:
                if not error.told and error.message != self._said:
                    self._said = error.message
                    log.error("%s", error)
                pause = COMMIT_AGE_S_MAX
            except Exception:
                log.exception("the committing thread met a defect")
                self._db.fail("an unexpected error in the committing thread")
                self._watch.let_in()
                return
            if pause > 0:
                self._wake.wait(pause)
            self._wake.clear()

    def _step(self) -> float:
        """Do what is due; returns how long to wait unless something happens (seconds)."""
        if self._db.failure is not None:
            self._watch.let_in()
            return CHECKPOINT_IDLE_S
        self._db.check_place()
        if self._watch.is_wanted():
            self._let_in()
        self._commit_if_due()
        while not self._watch.wanted and self._work.land(_LAND_AT_ONCE):
            self._commit_if_due()
            # A burst may last as long as it likes, and its log have no more than its bound.
            if self._db.log_bytes >= LOG_BYTES_BOUND:
                self._checkpoint_if_due()
        self._fold_if_due()
        if self._work.reclaim(_RECLAIM_AT_ONCE):
            return 0.0
        self._checkpoint_if_due()
        with self._db.lock:
            is_waiting = self._look_for_clients()
            if self._dirty_since is not None:
                return COMMIT_IDLE_S
            if is_waiting:
                return _LOOK_S
            if self._db.log_bytes:
                # Whoever closed the file woke us; the next one who opens it is to wait.
                self._watch.hold()
                return CHECKPOINT_IDLE_S
        return 60.0

    def _look_for_clients(self) -> bool:
        was_waiting = self._mounts.is_waiting
        is_waiting = self._mounts.look()
        if was_waiting and not is_waiting:
            self.touched()
        return is_waiting

    def _commit_if_due(self) -> None:
        now = time.monotonic()
        with self._db.lock:
            since = self._dirty_since
            if since is None:
                return
            due = now - self._last_change >= COMMIT_IDLE_S or now - since >= COMMIT_AGE_S_MAX
            if due:
                self._dirty_since = None
            elif not (self._work.gauge.lingers or self._db.uncommitted_bytes >= COMMIT_BYTES):
                return
            if self._db.uncommitted_bytes >= COMMIT_BYTES:
                self._work.take_ahead()
        number = self._db.commit()
        # A burst goes on beside its commits; it is synced when its first change is old.
        if due:
            self._db.sync(number)

    def _fold_if_due(self) -> None:
        """Have deltas in chunks before there are too many, and before the file is left alone."""
        while self._may_fold() and self._work.fold(_FOLD_AT_ONCE):
            with self._db.lock:
                # No change: the file is as idle as it was.
                self._dirty_since = self._dirty_since or time.monotonic()

    def _may_fold(self) -> bool:
        if self._watch.wanted or self._work.gauge.large or self._closing:
            return False
        with self._db.lock:
            idle = time.monotonic() - self._last_change >= CHECKPOINT_IDLE_S
            return not self._db.settling() and (idle or self._work.has_many_deltas)

    def _let_in(self) -> None:
        """Somebody waits to open the file: all that was done goes into it first."""
        try:
            self._db.checkpoint(mark=True)
        finally:
            self._watch.let_in()

    def _checkpoint_if_due(self) -> None:
        now = time.monotonic()
        with self._db.lock:
            if not self._is_due(now) or not self._may_checkpoint(now):
                return
            self._deferred_since = None
        self._db.checkpoint(mark=True)
        self._db.release_memory()
        with self._db.lock:
            if not (self._db.log_bytes or self._db.dirty or self._dirty_since):
                self._watch.let_in()

    def _is_due(self, now: float) -> bool:
        size = self._db.log_bytes
        if not size:
            self._lags_since = self._deferred_since = None
            return False
        if self._lags_since is None:
            self._lags_since = now
        old = now - self._lags_since >= COPY_AGE_S_MAX and not self._watch.sees_openers
        idle = self._dirty_since is None and now - self._last_change >= CHECKPOINT_IDLE_S
        # A first one, early in a burst, marks the file: nobody's fsync has to wait for that then.
        marks = size >= _LONG_LOG_BYTES and not self._db.marked
        is_long = size >= LOG_BYTES_BOUND or self._db.log_commits >= LOG_COMMITS_BOUND
        return idle or old or marks or is_long or self._work.is_short()

    def _may_checkpoint(self, now: float) -> bool:
        if self._watch.may_change():
            return True
        if self._deferred_since is None:
            self._deferred_since = now
        late = now - self._deferred_since >= CHECKPOINT_DEFERRED_S_MAX
        if self._db.log_bytes < LOG_BYTES_MAX and not late:
            return False
        log.warning(
            "%s: somebody has had it open for long, and its log has %d MiB: it is changed now;"
            " a copy that is being made will say that it is torn",
            self._db.path,
            self._db.log_bytes // MIB,
        )
        self._watch.forget()
        return True
