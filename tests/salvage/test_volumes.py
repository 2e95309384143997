"""The volumes of conformance/volumes, salvaged: sound ones come out whole, and of the broken ones
all that their documents call as before."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest

from sqlfs.errors import Corrupt, SqlfsError
from sqlfs.types import Caller
from sqlfs.volume import VolumeFile
from tests.salvage.rescuing import UNKEEPABLE, Rescued, rescue
from tests.volumes import broken, golden
from tests.volumes.description import KINDS, encoded, sha256
from tests.volumes.make import BROKEN, GOLDEN
from tests.volumes.verdict import copied

ME = Caller(0, 0)
# No file system that tests run on has files as large.
TOO_LARGE = "/content/level%208"


def document(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
    return found


def key_of(volume: dict[str, Any]) -> bytes | None:
    passphrase: str | None = volume["passphrase"]
    return None if passphrase is None else passphrase.encode()


def assert_is_there(to: Path, entry: dict[str, Any]) -> None:
    local = os.fsencode(to) + unquote_to_bytes(entry["path"])
    status = os.lstat(local)
    assert KINDS[stat.S_IFMT(status.st_mode)] == entry["kind"]
    assert f"{stat.S_IMODE(status.st_mode):04o}" == entry["mode"]
    assert (status.st_uid, status.st_gid) == (entry["uid"], entry["gid"])
    if entry["path"] == TOO_LARGE:
        return
    if "sha256" in entry:
        with open(local, "rb") as file:
            assert sha256(file.read()) == entry["sha256"]
    for offset, length, digest in entry.get("data", []):
        with open(local, "rb") as file:
            file.seek(offset)
            assert sha256(file.read(length)) == digest
    assert status.st_size == entry.get("size", status.st_size)
    if "target" in entry:
        assert encoded(os.readlink(local)) == entry["target"]  # noqa: PTH115


def real_losses(rescued: Rescued) -> set[str]:
    """Paths of which something is lost that the destination could have kept."""
    return {
        "/" + encoded(loss.path)
        for loss in rescued.losses
        if UNKEEPABLE not in loss.message and "/" + encoded(loss.path) != TOO_LARGE
    }


@pytest.mark.parametrize("name", sorted(golden.FILES))
def test_golden_volumes(name: str, tmp_path: Path) -> None:
    for number, volume in enumerate(document(GOLDEN / name)["volumes"]):
        to = tmp_path / str(number)
        rescued = rescue(GOLDEN / f"{name}.sqlite", to, key_of(volume), volume["name"])
        assert real_losses(rescued) == set()
        assert rescued.recovered.found == volume["nodes"]
        for entry in volume["tree"]:
            assert_is_there(to, entry)


@pytest.mark.parametrize("name", sorted(broken.FILES))
def test_broken_volumes(name: str, tmp_path: Path) -> None:
    verdict = document(BROKEN / name)
    (volume,) = document(GOLDEN / verdict["made_of"])["volumes"]
    with copied(BROKEN / f"{name}.sqlite") as path:
        if name.startswith("key-slot"):
            with pytest.raises(SqlfsError, match="key slot"):
                rescue(path, tmp_path / "out", key_of(volume))
            return
        rescued = rescue(path, tmp_path / "out", key_of(volume))
    # What is not found by its name, or not listed at all, has another place then.
    differs = {each["path"]: each for each in verdict.get("differs", [])}
    lost = real_losses(rescued)
    for entry in volume["tree"]:
        if entry["path"] not in differs.keys() | lost:
            assert_is_there(tmp_path / "out", entry)
    # A name that is only misfiled is not lost.
    damaged = [
        each for each in differs.values() if each.get("unreadable", ["lookup"]) != ["lookup"]
    ]
    assert rescued.losses or not damaged


def test_what_is_too_deep_goes_to_lost_and_found(tmp_path: Path) -> None:
    path, name = tmp_path / "deep.sqlite", b"d" * 250
    with VolumeFile.open(path, create=True, background=False) as file:
        file.create_volume("main")
        session = file.session("main")
        folder = session.root
        for _ in range(40):
            folder = session.mkdir(folder, name, 0o755, ME).node
        golden.whole(session, folder, b"at the end", b"of it all")
    rescued = rescue(path, tmp_path / "out", None)
    assert any("too long" in loss.message for loss in rescued.losses)
    (found,) = (it for it in rescued.tree.seen if it.endswith(b"/at the end"))
    assert found.startswith(b"/lost+found/directory-")
    assert (rescued.recovered.found, rescued.recovered.expected) == (42, 42)


def test_a_file_that_has_no_volume_is_no_success(tmp_path: Path) -> None:
    path = tmp_path / "none.sqlite"
    with VolumeFile.open(path, create=True, background=False):
        pass
    with pytest.raises(Corrupt, match="no trace of a volume"):
        rescue(path, tmp_path / "out", None)
