"""Is the file sound?

Everybody can ask for the structure: SQLite's own check, and every query in ``sql/checks/``.
Of the volumes that are unlocked, rows, names, link counts, counters and reference counts are
checked too; ``deep`` also reads every chunk.  Others go on meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import Final

from sqlfs.errors import SqlfsError
from sqlfs.maintenance.content_check import ContentCheck
from sqlfs.maintenance.findings import Finding, Progress
from sqlfs.maintenance.pace import Pace
from sqlfs.maintenance.references import References
from sqlfs.maintenance.volume_check import VolumeCheck
from sqlfs.store import (
    LARGE_TABLE,
    checks,
    free_list_findings,
    structure_findings,
    table_names,
    violations,
)
from sqlfs.types import VolumeInfo
from sqlfs.volume import VolumeFile
from sqlfs.volume.opened import OpenVolume

FINDINGS_MAX: Final = 1000


def check_file(
    file: VolumeFile, *, deep: bool = False, progress: Progress | None = None
) -> list[Finding]:
    """What is wrong with the file, at most 1,000 findings; empty when it is sound."""
    with plain_volumes(file) as refused:
        found = check_unlocked(file, deep=deep, progress=progress)
    return [*refused, *found][:FINDINGS_MAX]


def check_unlocked(
    file: VolumeFile, *, deep: bool, progress: Progress | None = None
) -> list[Finding]:
    """As :func:`check_file`, of the volumes that somebody holds open."""
    return list(islice(_all(file, Pace(file, progress), deep), FINDINGS_MAX))


@contextmanager
def plain_volumes(file: VolumeFile) -> Iterator[list[Finding]]:
    """Hold open every volume that needs no key; yields why some could not be."""
    refused = []
    with ExitStack() as stack:
        for info in file.volumes():
            if not info.encrypted:
                try:
                    stack.enter_context(file.session(info.name, read_only=True, door="check"))
                except SqlfsError as error:
                    refused.append(unreadable(info, error))
        yield refused


def unreadable(info: VolumeInfo, why: SqlfsError) -> Finding:
    """What is told of a volume that does not open."""
    return Finding("volume_unreadable", f"volume {info.name!r}", why.message)


def _all(file: VolumeFile, pace: Pace, deep: bool) -> Iterator[Finding]:
    yield from _structure(file, pace)
    yield from _queries(file, pace)
    for members, complete in domains(file):
        yield from _domain(members, pace, deep=deep, complete=complete)


def _structure(file: VolumeFile, pace: Pace) -> Iterator[Finding]:
    tables = [table for table in table_names() if table != LARGE_TABLE]
    pace.begin("structure", len(tables))
    for table in tables:
        with pace.page():
            told = structure_findings(file.db, table)
        for line in told:
            yield Finding("sqlite", f"table {table}", line)
        pace.advance(1)
    for line in free_list_findings(file.db):
        yield Finding("sqlite", "free pages", line)


def _queries(file: VolumeFile, pace: Pace) -> Iterator[Finding]:
    pace.begin("references", len(checks()))
    for name, query in checks().items():
        try:
            with pace.page():
                rows = violations(file.db, query)
        except SqlfsError as error:
            yield Finding("sqlite", f"query {name}", error.message)
            continue
        for row in rows:
            what = ", ".join(f"{column} {_shown(value)}" for column, value in row.items())
            yield Finding(name, what, _statement(query))
        pace.advance(1)


def domains(file: VolumeFile) -> Iterator[tuple[list[OpenVolume], bool]]:
    """The unlocked volumes by key domain, and whether they are all that share it."""
    volumes = file.work.volumes()
    unlocked = {volume.info.id for volume in volumes}
    every = file.volumes()
    known = len(every) == len(file.db.rows("volume_ids"))
    for domain in sorted({volume.domain for volume in volumes}):
        members = [volume for volume in volumes if volume.domain == domain]
        # Plain volumes share a domain: its counts are known only with all of them at hand.
        complete = domain != 0 or all(info.encrypted or info.id in unlocked for info in every)
        yield members, complete and known


def _domain(
    members: list[OpenVolume], pace: Pace, *, deep: bool, complete: bool
) -> Iterator[Finding]:
    references = References([volume.pool for volume in members])
    try:
        for volume in members:
            yield from VolumeCheck(volume, references, pace).run()
        content = ContentCheck(members, references, pace)
        yield from content.run(deep=deep, complete=complete)
    finally:
        references.close()


def _statement(query: str) -> str:
    return "violates: " + query.partition("\n")[0].removeprefix("--").strip()


def _shown(value: object) -> str:
    """A value of a row on one line, whoever wrote it."""
    shown = str(value)
    return shown if shown.isprintable() else repr(value)
