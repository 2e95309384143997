"""``sqlfs salvage``, as users see it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import sqlfs as api
from sqlfs.crypto import KdfParameters
from sqlfs.limits import PAGE_BYTES_DEFAULT
from tests.cli.running import fail, sqlfs, succeed
from tests.salvage.sections import pages_by_use

QUICK_KDF = KdfParameters(memory_kib=64, passes=1, lanes=1)
PASSPHRASE = {"SECRET": "correct horse"}
BIG = os.urandom(700_000)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three volumes, one of them encrypted; SQLite does not know the file any more."""
    path = tmp_path / "volumes.sqlite"
    with api.open(path, create=True) as store:
        for name in ("one", "two", "secret"):
            passphrase = PASSPHRASE["SECRET"] if name == "secret" else None
            store.create_volume(name, passphrase, kdf=QUICK_KDF)
            with store.mount(name, passphrase) as files:
                files.mkdir("/folder")
                files.write_text("/folder/name", f"this is {name}")
                files.write_bytes("/big", BIG)
    zero(path, [1])
    fail("check", path, code=7, says="not SQLite at all")
    return path


def zero(path: Path, pages: list[int]) -> None:
    with path.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * PAGE_BYTES_DEFAULT)
            file.write(bytes(PAGE_BYTES_DEFAULT))


def test_each_volume_comes_out(file: Path, tmp_path: Path) -> None:
    before = file.read_bytes()
    for name in ("one", "two", "secret"):
        to = tmp_path / name
        secret = ["--passphrase-env", "SECRET"] if name == "secret" else []
        done = succeed("salvage", f"{file}:{name}", to, *secret, environment=PASSPHRASE)
        assert done.lines[-1] == "lost: nothing that could be told"
        assert (to / "folder" / "name").read_text() == f"this is {name}"
        assert (to / "big").read_bytes() == BIG
        assert {it.name for it in to.iterdir()} == {"folder", "big"}
    assert file.read_bytes() == before


def test_json_tells_what_came_out(file: Path, tmp_path: Path) -> None:
    done = succeed("salvage", "--json", "--volume", "two", file, tmp_path / "out")
    assert done.json == [
        {
            "type": "summary", "directories": 2, "files": 2, "others": 0, "names": 0,
            "bytes": len(BIG) + len("this is two"), "in_lost_and_found": 0, "left_out": 0,
            "losses": 0, "expected": 4, "found": 4,
        }
    ]  # fmt: skip


def test_lost_content_is_listed(tmp_path: Path) -> None:
    path, size = tmp_path / "volume.sqlite", 3 * 262144
    content = os.urandom(size)
    with api.open(path, create=True) as store:
        store.create_volume("main")
        with store.mount() as files:
            files.write_bytes("/big", content)
    overflow = pages_by_use(path)["chunk_data", "overflow"]
    zero(path, [1, overflow[len(overflow) // 2]])
    done = sqlfs("salvage", "--json", path, tmp_path / "json")
    loss, summary = done.json
    assert (done.code, loss["path"], loss["length"]) == (5, "big", 262144)
    assert summary["losses"] == 1
    start, end = loss["offset"], loss["offset"] + loss["length"]
    expected = content[:start] + bytes(end - start) + content[end:]
    assert (tmp_path / "json" / "big").read_bytes() == expected
    done = sqlfs("salvage", path, tmp_path / "text")
    assert done.code == 5
    assert done.lines[0].startswith(f"big: bytes {start} to {end - 1} are lost: chunk ")
    assert done.lines[-1] == "lost: 1"


def test_passphrases(file: Path, tmp_path: Path) -> None:
    to = tmp_path / "out"
    secret = ["--passphrase-env", "SECRET"]
    wrong = {"SECRET": "wrong"}
    says = "wrong passphrase for volume 'secret'"
    fail("salvage", f"{file}:secret", to, *secret, environment=wrong, code=4, says=says)
    fail("salvage", f"{file}:secret", to, code=4, says="a passphrase is needed")
    fail("salvage", f"{file}:one", to, *secret, environment=wrong, code=2, says="not encrypted")
    assert not to.exists()


def test_what_is_refused(file: Path, tmp_path: Path) -> None:
    to = tmp_path / "out"
    fail("salvage", file, to, code=2, says="several volumes .'one', 'two', 'secret'.; choose")
    fail("salvage", f"{file}:three", to, code=3, says="no volume 'three'")
    fail("salvage", tmp_path / "nothing", to, code=3, says="No such file")
    (tmp_path / "noise").write_bytes(os.urandom(100_000))
    fail("salvage", tmp_path / "noise", to, code=5, says="no trace of a volume")
    (tmp_path / "empty").touch()
    fail("salvage", tmp_path / "empty", to, code=5, says="no trace of a volume")
    assert not to.exists()
    fail("salvage", tmp_path, to, code=7, says="is not a file")
    fail("salvage", f"{file}:one", tmp_path, code=1, says="is not empty")


def test_a_file_in_use_is_let_be(tmp_path: Path) -> None:
    path = tmp_path / "volume.sqlite"
    with api.open(path, create=True) as store:
        store.create_volume("main")
        fail("salvage", path, tmp_path / "out", code=6, says="is in use by process")
