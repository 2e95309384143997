"""``sqlfs scrub``: done at once where nobody uses the file, else by whoever does."""

from __future__ import annotations

from pathlib import Path

import sqlfs as api
from tests.cli.conftest import PASSPHRASE
from tests.cli.running import fail, sqlfs, succeed, wait_until
from tests.cli.test_volumes import damage

CONTENT = b"".join(b"%016d" % number for number in range(20_000))
UNLOCK = {"PASSPHRASE": PASSPHRASE}


def test_a_sound_file(shared_file: Path) -> None:
    succeed("put", shared_file, "-", "/x", given=CONTENT)
    assert succeed("scrub", "--rate", "0", "--wait", shared_file).lines == [
        "done: 3 of 3 pieces, 312K; no findings"
    ]


def test_the_owner_goes_on_by_itself(file: Path) -> None:
    succeed("put", file, "-", "/x", given=CONTENT)
    succeed("put", file, "-", "/y", given=CONTENT[::-1])
    with api.open(file) as store:
        told = succeed("scrub", "--status", file).lines
        assert told == ["no scrub was begun since the file was opened"]
        began = succeed("scrub", "--rate", "1", "--json", file).json
        assert (began["state"], began["rate"]) == ("running", 2**20)
        succeed("scrub", "--stop", file)
        assert store.scrub_status().state in ("stopped", "done")
        succeed("scrub", "--rate", "0", file)
        wait_until(lambda: store.scrub_status().state == "done", "all was read")
        status = succeed("scrub", "--status", "--json", file).json
        assert (status["done"], status["total"], status["findings"]) == (6, 6, [])


def test_damage(file: Path) -> None:
    succeed("put", file, "-", "/damaged", given=CONTENT)
    damage(file, CONTENT)
    found = sqlfs("scrub", file)
    assert found.code == 5
    assert any("'/damaged' of volume 'main', bytes 0 to 262143: " in it for it in found.lines)
    assert found.lines[-1].endswith("; 1 finding")
    described = sqlfs("scrub", "--json", file).json
    assert set(described["findings"][0]) == {"check", "what", "message"}


def test_a_locked_volume(encrypted_file: Path) -> None:
    locked = sqlfs("scrub", encrypted_file)
    assert locked.code == 0
    assert "volume 'main' is locked, and not read" in locked.errors
    words = ["scrub", "--passphrase-env", "PASSPHRASE", encrypted_file]
    assert succeed(*words, environment=UNLOCK).lines == ["done: 0 of 0 pieces, 0; no findings"]


def test_what_makes_no_sense(file: Path) -> None:
    fail("scrub", "--rate", "-1", file, code=2, says="rate")
    fail("scrub", "--status", "--stop", file, code=2, says="not allowed with")
