"""Repairing a file that nobody else uses: every finding of a check has its repair here.

All is done in one transaction, which is taken back where it is to be known only what would be done.
Rows come first, then the names that lead to them, then what is counted over both, so that each step
stands on what is sound by then:

1. indices that do not agree with their tables;
2. nodes, and in place of those that are gone but had names in them, directories;
3. names; what has none, or lies within itself, moves to lost+found;
4. extended attributes, access times, the reclaim queue;
5. content: data that stands in another row, counts of references, what nothing leads to;
6. link counts, counters, reservations, and the digest of all rows.

What is left alone: damaged content, whose files keep their names and all that can be read; what
belongs to volumes that are locked or have lost their settings; damage to the pages of tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlfs.errors import Corrupt, InUse, ReadOnly
from sqlfs.maintenance.check import check_unlocked, unreadable
from sqlfs.maintenance.findings import Finding, Progress
from sqlfs.maintenance.repair.attributes import ReclaimRows, XattrRows
from sqlfs.maintenance.repair.content import ChunkRows, Content, StrayData
from sqlfs.maintenance.repair.counts import Counts
from sqlfs.maintenance.repair.lost import LostAndFound, Unreachable
from sqlfs.maintenance.repair.mending import Home, Mending
from sqlfs.maintenance.repair.names import EdgeRows
from sqlfs.maintenance.repair.nodes import NodeRows
from sqlfs.maintenance.repair.structure import (
    forget_clients,
    mend_flags,
    mend_indices,
    remove_strays,
    secure_ids,
)
from sqlfs.store import renew_digest
from sqlfs.types import VolumeInfo
from sqlfs.volume import VolumeFile

__all__ = ["Passphrases", "Repair", "repair_file"]


@dataclass(frozen=True, slots=True)
class Repair:
    """``found``: what was wrong; ``done``: what was, or would be, done about it; ``remaining``:
    what is wrong then still; ``locked``: volumes that were left alone; ``notices``: on the state in
    which the file was found."""

    found: list[Finding]
    done: list[Finding]
    remaining: list[Finding]
    locked: list[str]
    notices: list[str]


Passphrases = Callable[[Sequence[VolumeInfo]], Mapping[str, bytes]]
"""Asked for the passphrases of a file's volumes, by their names."""


def repair_file(
    path: Path,
    passphrases: Passphrases = lambda _: {},
    *,
    deep: bool = False,
    apply: bool = False,
    accept_state: bool = False,
    progress: Progress | None = None,
) -> Repair:
    """Find out what is wrong with a file and what can be done; with `apply`, do it.

    Encrypted volumes without a passphrase are left alone.  Raises InUse where somebody uses the
    file, ReadOnly where it can't be written, Corrupt where SQLite can't make sense of it, and what
    opening a file and a volume raises; nothing is changed then.
    """
    try:
        file = VolumeFile.open(path, background=False, accept_state=accept_state)
    except InUse:
        raise InUse(
            f"{path} is in use, and repaired only when nobody uses it: sqlfs umount {path}"
        ) from None
    try:
        if file.read_only:
            raise ReadOnly(" ".join([f"{path} can't be repaired:", *file.notices]))
        # No session is opened: its end would commit.
        locked, refused = _unlock(file, passphrases(file.volumes()))
        found = [*refused, *check_unlocked(file, deep=deep, progress=progress)]
        if renew_digest(file.db):
            message = "are not those that were written last: copies are taken for torn ones"
            found.append(Finding("digest", "the rows", message))
        done, remaining = [], found
        if found:
            with file.db.writing():
                done = _repair(Mending(file, progress), found, deep=deep)
                remaining = [*refused, *check_unlocked(file, deep=deep, progress=progress)]
        if apply and done:
            file.durable()
    finally:
        file.db.discard()
        file.close()
    return Repair(found, done, remaining, locked, file.notices)


def _unlock(file: VolumeFile, passphrases: Mapping[str, bytes]) -> tuple[list[str], list[Finding]]:
    """Open all volumes that can be; the names of those that stay locked, and why others do."""
    locked, refused = [], []
    for info in file.volumes():
        passphrase = passphrases.get(info.name)
        if info.encrypted and (passphrase is None or not file.slots(info.name)):
            locked.append(info.name)
            continue
        try:
            file.unlock_for_repair(info.name, passphrase)
        except Corrupt as error:
            refused.append(unreadable(info, error))
    return locked, refused


def _repair(mending: Mending, found: list[Finding], *, deep: bool) -> list[Finding]:
    mend_indices(mending, deep=deep)
    NodeRows(mending).run()
    EdgeRows(mending).run()
    places = {home: LostAndFound(mending, home) for home in mending.homes}
    Unreachable(mending, places).run()
    XattrRows(mending).run()
    ReclaimRows(mending).run()
    ChunkRows(mending).run()
    for homes in _domains(mending):
        Content(mending, homes, places, deep=deep).run()
    StrayData(mending).run()
    Counts(mending).run()
    remove_strays(mending)
    forget_clients(mending)
    mend_flags(mending)
    secure_ids(mending)
    mending.flush()
    if any(each.check == "digest" for each in found):
        mending.note("digest", "the rows", "were added up anew: copies are believed")
    return mending.done


def _domains(mending: Mending) -> list[list[Home]]:
    """The volumes by key domain; only where all of a domain are at hand."""
    found: dict[int, list[Home]] = {}
    for home in mending.homes:
        found.setdefault(home.volume.domain, []).append(home)
    shared = {0} if mending.has_other_plain() else set()
    return [homes for domain, homes in sorted(found.items()) if domain not in shared]
