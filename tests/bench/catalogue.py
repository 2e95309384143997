"""All subjects and all workloads, by name."""

from __future__ import annotations

from pathlib import Path

from tests.bench import clients, peers, programs, random_access, small_files, streams
from tests.bench.native import Native
from tests.bench.subject import Subject
from tests.bench.volume import CompressingSqlfs, PlainSqlfs, Sqlfs
from tests.bench.workload import Workload

WORKLOADS: dict[str, type[Workload[Path]]] = {
    workload.name: workload
    for family in (streams, random_access, small_files, programs, clients)
    for workload in family.WORKLOADS
}

# Measured when asked for by name only.
BY_NAME_ONLY = frozenset({PlainSqlfs.name, CompressingSqlfs.name})


def subjects(cache: Path) -> dict[str, Subject[Path]]:
    """Peers from PyPI are installed in `cache`."""
    venv = cache / "venv"
    listed: tuple[Subject[Path], ...] = (
        Sqlfs(),
        PlainSqlfs(),
        CompressingSqlfs(),
        peers.Gocryptfs(),
        peers.Securefs(),
        peers.CryFS(),
        peers.Fuse2fs(),
        peers.Aloelite(venv),
        peers.JuiceFS(venv),
        peers.S3QL(),
        Native(),
    )
    return {subject.name: subject for subject in listed}
