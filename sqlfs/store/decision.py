"""What to do with a file and the log beside it: a pure decision, made before SQLite reads."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from sqlfs.errors import DamagedLog, MissingLog, ReadOnly
from sqlfs.store.lineage import Identity, Lineage
from sqlfs.store.log import LogState, log_path


@dataclass(frozen=True, slots=True)
class Found:
    """What was seen: the file's record and identity, and its log; ``log_ends_early``: SQLite was
    seen to find less in the log than the file itself holds of it."""

    path: Path
    lineage: Lineage
    identity: Identity
    log: LogState
    log_ends_early: bool = False

    @property
    def is_copy(self) -> bool:
        """Whether the record was written to another file than this one."""
        return self.lineage.identity != self.identity

    @property
    def log_applies(self) -> bool:
        return self.log.belongs_to(self.lineage) and not self.log_ends_early

    @property
    def log_is_foreign(self) -> bool:
        return self.log.holds_something and not self.log_applies

    @property
    def durable(self) -> int:
        """The generation of the last record that is known to have been durable."""
        return max(self.lineage.generation, self.log.durable_up_to(self.lineage))

    @property
    def log_must_stay(self) -> bool:
        """Whether there is something in the log that SQLite would neither apply nor keep."""
        return self.log_is_foreign or self.log.unreadable

    @property
    def log_is_missing(self) -> bool:
        """The owner ended without a clean close, and what it logged is not there."""
        if self.log_ends_early:
            return self.durable > self.lineage.generation
        ours = self.lineage.marked and not self.is_copy
        return ours and (self.log_is_foreign or not self.log.present)


@dataclass(frozen=True, slots=True)
class Plan:
    """How to open.  ``immutable``: read the file as it is, without log or locks.  ``set_aside``:
    move the log away first.  ``notice``: a line for the user, or none."""

    immutable: bool
    set_aside: bool
    notice: str | None


def decide(found: Found, *, read_only: bool, writable: bool, accept_state: bool) -> Plan:
    """Raises MissingLog, and ReadOnly where a log must be applied to a file that can't be
    written."""
    path, lineage = found.path, found.lineage
    if found.log_applies:
        if not writable:
            raise ReadOnly(
                f"{path} needs its log applied, and can't be written; copy both elsewhere"
            )
        return Plan(immutable=False, set_aside=False, notice=None)
    as_it_is = read_only or not writable
    if found.log_is_missing and not accept_state:
        if not read_only:
            raise (DamagedLog if found.log_ends_early else MissingLog)(_missing_log(found))
        return Plan(immutable=True, set_aside=False, notice=_missing_log(found))
    notice = None
    if lineage.marked and found.is_copy:
        notice = (
            f"{path} is a copy, made of a volume in use; it holds the state of"
            f" {when(lineage.written_ns)}"
        )
    return Plan(immutable=as_it_is, set_aside=found.log_must_stay and not as_it_is, notice=notice)


def _missing_log(found: Found) -> str:
    log = found.log
    if found.log_ends_early:
        what = "is damaged"
    elif log.holds_something:
        what = "belongs to another state"
    else:
        what = "is damaged" if log.exists else "is missing"
    return _lost(found, what, found.lineage)


def damaged_log(found: Found, held: Lineage) -> str:
    """What is said of a log that ends, with the state of `held`, before what was durable in it."""
    return _lost(found, "is damaged", held)


def _lost(found: Found, what: str, held: Lineage) -> str:
    return (
        f"{found.path} was in use when its owner ended, and its log"
        f" {log_path(found.path).name} {what}: the file holds the state of"
        f" {when(held.written_ns)}; put the log back, or go on from that state with"
        " --accept-state"
    )


def when(ns: int) -> str:
    """A time as people read it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(ns / 1e9))
