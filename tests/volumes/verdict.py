"""What the implementation says of a file of conformance/volumes, as a document beside it has it."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlfs.errors import (
    Corrupt,
    NotAVolumeFile,
    SqlfsError,
    UnsupportedFormat,
    WrongPassphrase,
)
from sqlfs.maintenance import check_file
from sqlfs.volume import VolumeFile
from tests.volumes.description import Entry, describe
from tests.volumes.golden import FilePlan

_WHY: Final = {
    NotAVolumeFile: "not a volume file",
    UnsupportedFormat: "not supported",
    WrongPassphrase: "wrong passphrase",
    Corrupt: "damaged",
}

Document = dict[str, Any]


@contextmanager
def copied(path: Path) -> Iterator[Path]:
    """A copy that may be written to, with its log."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as place:
        for file in (path, path.with_name(path.name + "-wal")):
            if file.exists():
                shutil.copyfile(file, Path(place) / file.name)
        yield Path(place) / path.name


def golden_document(plan: FilePlan, path: Path) -> Document:
    """What a golden file must be found to hold."""
    document: Document = {"about": plan.about, "log": path.with_name(path.name + "-wal").exists()}
    passphrases = {volume.name: volume.passphrase for volume in plan.volumes}
    document["volumes"] = volumes_of(path, passphrases)
    return document


def volumes_of(path: Path, passphrases: dict[str, bytes | None]) -> list[Document]:
    """Read from the file as it lies there, which must not change by a byte."""
    found = []
    with VolumeFile.open(path, read_only=True) as file:
        for info in file.volumes():
            passphrase = passphrases[info.name]
            with file.session(info.name, passphrase=passphrase, read_only=True) as session:
                usage, quota = file.usage(info.name), file.quota(info.name)
                found.append(
                    {
                        "name": info.name, "uuid": info.uuid.hex(),
                        "passphrase": None if passphrase is None else passphrase.decode(),
                        "dedupe": info.dedupe, "chunk_size": info.chunk_size,
                        "created_ns": info.created_ns, "nodes": usage.nodes, "bytes": usage.bytes,
                        "quota_nodes": quota.nodes, "quota_bytes": quota.bytes,
                        "tree": describe(session),
                    }
                )  # fmt: skip
    return found


def judge(path: Path, passphrase: bytes | None, sound: Path) -> Document:
    """What a broken file must be found to be; `sound` is the document of what it was made of."""
    document: Document = {"passphrase": None if passphrase is None else passphrase.decode()}
    with copied(path) as copy:
        try:
            with VolumeFile.open(copy, background=False) as file:
                document["opens"] = "for reading only" if file.read_only else "yes"
                document["notice"] = bool(file.notices)
                document |= _inside(file, passphrase, sound)
        except SqlfsError as error:
            document |= {"opens": "no", "why": why(error)}
    return document


def _inside(file: VolumeFile, passphrase: bytes | None, sound: Path) -> Document:
    (name,) = [info.name for info in file.volumes()]
    try:
        session = file.session(name, passphrase=passphrase, read_only=True)
    except SqlfsError as error:
        return {"unlocks": "no", "why": why(error), **_findings(file)}
    with session:
        tree = describe(session)
        found = _findings(file)
    (volume,) = json.loads(sound.read_text())["volumes"]
    return {"unlocks": "yes", **found, "differs": differences(tree, volume["tree"])}


def _findings(file: VolumeFile) -> Document:
    quick = {(finding.check, finding.what) for finding in check_file(file)}
    deep = {(finding.check, finding.what) for finding in check_file(file, deep=True)}
    return {
        "findings": [{"check": check, "what": what} for check, what in sorted(quick)],
        "deep_findings": [{"check": check, "what": what} for check, what in sorted(deep - quick)],
    }


def differences(tree: list[Entry], sound: list[Entry]) -> list[Document]:
    """What can't be read, is missing, or is there only now, by path; nothing else may differ."""
    now, before = ({entry["path"]: entry for entry in each} for each in (tree, sound))
    found: list[Document] = []
    for path in sorted(now.keys() | before.keys()):
        if path not in now:
            found.append({"path": path, "is": "missing"})
        elif path not in before:
            found.append({"path": path, "is": "new", "unreadable": now[path].get("damaged", [])})
        elif "damaged" in now[path]:
            found.append({"path": path, "is": "damaged", "unreadable": now[path]["damaged"]})
        elif now[path] != before[path]:
            found.append({"path": path, "is": "another"})
    return found


def why(error: SqlfsError) -> str:
    return next(word for kind, word in _WHY.items() if isinstance(error, kind))
