"""``python -m tests.volumes.make``: make conformance/volumes anew, while the format may change.

Randomness, time and the file's identity are replaced, so that what has not changed comes out as it
was, but for the salts of logs.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from unittest import mock

from sqlfs.store import ownership
from sqlfs.store.lineage import Identity
from sqlfs.volume import VolumeFile
from tests.format.volumes import CHEAP
from tests.fuzz.specimens import repeatable
from tests.project import ROOT
from tests.volumes import broken, golden
from tests.volumes.description import as_json
from tests.volumes.verdict import golden_document, judge

FOLDER: Final = ROOT / "conformance" / "volumes"
GOLDEN: Final = FOLDER / "golden"
BROKEN: Final = FOLDER / "broken"
BYTES_MAX: Final = 200 * 1024


def log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def main() -> int:
    for folder in (GOLDEN, BROKEN):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as place:
        for name, plan in golden.FILES.items():
            _make_golden(name, plan, Path(place))
        for name, broken_plan in broken.FILES.items():
            _make_broken(name, broken_plan)
    made = [path for path in FOLDER.rglob("*") if path.is_file()]
    too_large = [path.name for path in made if path.stat().st_size > BYTES_MAX]
    print(f"{len(made)} files, {sum(path.stat().st_size for path in made) >> 10} KiB")
    if too_large:
        print("too large:", *too_large)
    return 1 if too_large else 0


# --- golden ---


@contextmanager
def _same_each_time() -> Iterator[None]:
    identity = Identity(4242, 1_700_000_000_000_000_000)
    with (
        repeatable(),
        mock.patch.object(ownership, "identity", return_value=identity),
        mock.patch.object(os, "getpid", return_value=4242),
    ):
        yield


def _make_golden(name: str, plan: golden.FilePlan, place: Path) -> None:
    path = place / f"{name}.sqlite"
    with _same_each_time():
        file = VolumeFile.open(path, create=True, page_size=plan.page_size, background=False)
        with file:
            for volume in plan.volumes:
                _fill(file, volume)
            if plan.ending in ("unfinished", "in_use"):
                file.db.checkpoint(mark=plan.ending == "in_use")
            if plan.ending != "closed":
                _keep(path, with_log=plan.ending == "log")
        if plan.ending == "closed":
            _keep(path, with_log=False)
    document = golden_document(plan, GOLDEN / path.name)
    (GOLDEN / f"{name}.json").write_text(as_json(document))


def _fill(file: VolumeFile, plan: golden.VolumePlan) -> None:
    file.create_volume(
        plan.name,
        plan.passphrase,
        chunk_size=plan.chunk_size,
        dedupe=plan.dedupe,
        compression=plan.compression,
        kdf=CHEAP,
    )
    session = file.session(plan.name, passphrase=plan.passphrase)
    plan.fill(session)
    session.sync()
    if plan.quota is not None:
        file.set_quota(plan.name, plan.quota)


def _keep(path: Path, *, with_log: bool) -> None:
    shutil.copyfile(path, GOLDEN / path.name)
    if with_log:
        shutil.copyfile(log_of(path), log_of(GOLDEN / path.name))


# --- broken ---


def _make_broken(name: str, plan: broken.BrokenPlan) -> None:
    path = BROKEN / f"{name}.sqlite"
    shutil.copyfile(GOLDEN / f"{plan.made_of}.sqlite", path)
    plan.damage(path)
    if not plan.keeps_record:
        broken.with_record(path)
    if plan.log is not None:
        shutil.copyfile(log_of(GOLDEN / f"{plan.log}.sqlite"), log_of(path))
    document: dict[str, Any] = {"about": plan.about, "made_of": plan.made_of}
    document |= judge(path, broken.passphrase(plan), GOLDEN / f"{plan.made_of}.json")
    (BROKEN / f"{name}.json").write_text(as_json(document))


if __name__ == "__main__":
    sys.exit(main())
