"""Is the file sound?

Everybody can ask for the structure: SQLite's own check, and every query in ``sql/checks/``.
Of the volumes that are unlocked, rows, names, link counts, counters and reference counts are
checked too; ``deep`` also reads every chunk.  Changes wait while a check runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sqlfs.errors import SqlfsError
from sqlfs.maintenance.findings import Finding
from sqlfs.maintenance.volume_check import VolumeCheck, check_counts
from sqlfs.store import Tally, checks, structure_findings, violations
from sqlfs.volume import VolumeFile
from sqlfs.volume.opened import OpenVolume

_FINDINGS_MAX = 1000


def check_file(file: VolumeFile, *, deep: bool = False) -> list[Finding]:
    """What is wrong with the file, at most 1,000 findings; empty when it is sound."""
    with _plain_volumes(file) as findings, file.db.lock:
        if not file.read_only:
            file.commit()
        for finding in _all(file, deep):
            findings.append(finding)
            if len(findings) == _FINDINGS_MAX:
                break
    return findings


@contextmanager
def _plain_volumes(file: VolumeFile) -> Iterator[list[Finding]]:
    """Hold open every volume that needs no key; yields why some could not be."""
    refused = []
    with ExitStack() as stack:
        for info in file.volumes():
            if not info.encrypted:
                try:
                    stack.enter_context(file.session(info.name, read_only=True, door="check"))
                except SqlfsError as error:
                    what = f"volume {info.name!r}"
                    refused.append(Finding("volume_unreadable", what, error.message))
        yield refused


def _all(file: VolumeFile, deep: bool) -> Iterator[Finding]:
    structure = structure_findings(file.db)
    for line in structure:
        yield Finding("sqlite", str(file.path), line)
    if structure:
        return  # what lies above can't be believed
    for name, query in checks().items():
        for row in violations(file.db, query):
            what = ", ".join(f"{column} {value}" for column, value in row.items())
            yield Finding(name, what, _statement(query))
    volumes = file.work.volumes()
    locked = {row.id for row in file.volumes()} - {volume.info.id for volume in volumes}
    for domain in sorted({volume.domain for volume in volumes}):
        members = [volume for volume in volumes if volume.domain == domain]
        # Plain volumes share a domain: its counts are known only with all of them at hand.
        complete = domain != 0 or not any(
            info.id in locked for info in file.volumes() if not info.encrypted
        )
        yield from _domain(members, deep=deep, complete=complete)


def _domain(members: list[OpenVolume], *, deep: bool, complete: bool) -> Iterator[Finding]:
    references = Tally()
    try:
        for volume in members:
            yield from VolumeCheck(volume, references, deep=deep).run()
        if complete:
            yield from check_counts(members[0], references)
    finally:
        references.close()


def _statement(query: str) -> str:
    return "violates: " + query.partition("\n")[0].removeprefix("--").strip()
