"""The golden volumes are read as their documents say, by the implementation and by the independent
reader."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest

from sqlfs.maintenance import check_file
from sqlfs.volume import VolumeFile
from tests.format.reader import VolumeFileReader
from tests.mount.mounting import ENVIRONMENT, Mount
from tests.project import ROOT
from tests.volumes import golden
from tests.volumes.description import sha256
from tests.volumes.make import BYTES_MAX, FOLDER, GOLDEN, log_of
from tests.volumes.reading import volume_as_read
from tests.volumes.verdict import copied, golden_document

ANEW = "where the format was changed on purpose, `python -m tests.volumes.make` makes them anew"
NAMES = sorted(golden.FILES)


def expected(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text())
    return document


def passphrases(name: str) -> dict[str, bytes | None]:
    return {
        volume["name"]: None if volume["passphrase"] is None else volume["passphrase"].encode()
        for volume in expected(name)["volumes"]
    }


def test_all_files_are_there_and_small() -> None:
    files = {path.stem for path in GOLDEN.glob("*.sqlite")}
    assert files == {path.stem for path in GOLDEN.glob("*.json")} == set(NAMES)
    assert all(path.stat().st_size <= BYTES_MAX for path in FOLDER.rglob("*"))


def test_git_keeps_them_as_they_are() -> None:
    files = [path.relative_to(ROOT) for path in FOLDER.rglob("*.sqlite*")]
    done = subprocess.run(
        ["git", "check-attr", "text", "--", *files],
        cwd=ROOT, check=False, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        pytest.skip("no checkout")
    assert files
    assert all(line.endswith("text: unset") for line in done.stdout.splitlines())
    ignored = subprocess.run(["git", "check-ignore", *files], cwd=ROOT, check=False)
    assert ignored.returncode == 1


@pytest.mark.parametrize("name", NAMES)
def test_it_holds_what_its_document_says(name: str) -> None:
    path = GOLDEN / f"{name}.sqlite"
    before = [file.read_bytes() for file in (path, log_of(path)) if file.exists()]
    found = json.loads(json.dumps(golden_document(golden.FILES[name], path)))
    assert found == expected(name), ANEW
    assert [file.read_bytes() for file in (path, log_of(path)) if file.exists()] == before


@pytest.mark.parametrize("name", NAMES)
def test_the_independent_reader_reads_the_same(name: str) -> None:
    with copied(GOLDEN / f"{name}.sqlite") as path:
        if expected(name)["log"]:
            with closing(sqlite3.connect(path)) as connection:  # any SQLite applies its log
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with closing(VolumeFileReader(path)) as reader:
            for volume in expected(name)["volumes"]:
                assert volume_as_read(reader, volume) == volume, ANEW


@pytest.mark.parametrize("name", NAMES)
def test_it_is_sound_and_stays_so_when_it_is_written_to(name: str) -> None:
    keys = passphrases(name)
    with copied(GOLDEN / f"{name}.sqlite") as path:
        for is_new in (True, False):
            with VolumeFile.open(path, background=False) as file, ExitStack() as held:
                for volume, passphrase in keys.items():
                    session = file.session(volume, passphrase=passphrase)
                    held.enter_context(session)
                    if is_new:
                        golden.whole(session, session.root, b"made now", golden.noise(5000))
                    made = session.lookup(session.root, b"made now").node
                    handle = session.open(made, os.O_RDONLY)
                    assert session.read(handle, 0, 9999) == golden.noise(5000)
                assert check_file(file, deep=True) == []


@pytest.mark.usefixtures("fuse")
def test_it_can_be_mounted(tmp_path: Path) -> None:
    name = "encrypted"
    (volume,) = expected(name)["volumes"]
    environment = {**ENVIRONMENT, "SECRET": volume["passphrase"]}
    with copied(GOLDEN / f"{name}.sqlite") as path, Mount(tmp_path) as mount:
        mount.file = path
        mount.start("-o", "ro", "--passphrase-env", "SECRET", env=environment)
        for entry in volume["tree"]:
            assert_same(os.fsencode(mount.directory) + unquote_to_bytes(entry["path"]), entry)
        mount.unmount()


def assert_same(local: bytes, entry: dict[str, Any]) -> None:
    status = os.lstat(local)
    shown = (f"{stat.S_IMODE(status.st_mode):04o}", status.st_uid, status.st_gid, status.st_nlink)
    assert shown == (entry["mode"], entry["uid"], entry["gid"], entry["nlink"]), entry["path"]
    assert (status.st_mtime_ns, status.st_ctime_ns) == (entry["mtime_ns"], entry["ctime_ns"])
    if "sha256" in entry:
        with open(local, "rb") as file:
            assert sha256(file.read()) == entry["sha256"], entry["path"]
    if "size" in entry:
        assert status.st_size == entry["size"]
    if "target" in entry:
        assert os.readlink(local) == unquote_to_bytes(entry["target"])  # noqa: PTH115
    for encoded, value in entry.get("xattrs", {}).items():
        found = os.getxattr(local, unquote_to_bytes(encoded), follow_symlinks=False)
        assert found.hex() == value
