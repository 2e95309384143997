"""``sqlfs check --repair``: a plan first, then a question, a copy, and the repair."""

from __future__ import annotations

from pathlib import Path

import pytest

import sqlfs as api
from tests.cli.conftest import PASSPHRASE
from tests.cli.running import at_terminal, fail, sqlfs, succeed
from tests.format.tampering import tamper

UNLOCK = {"PASSPHRASE": PASSPHRASE}
QUESTION = "Repair"


@pytest.fixture
def broken(file: Path) -> Path:
    """A file that has lost the name of one of its files."""
    succeed("put", file, "-", "/lost", given=b"a note")
    succeed("put", file, "-", "/kept", given=b"another")
    tamper(file, "DELETE FROM edge WHERE id = (SELECT min(id) FROM edge)")
    return file


def copies(file: Path) -> list[Path]:
    return sorted(file.parent.glob("*.before-repair-*"))


def mended(file: Path) -> None:
    assert succeed("check", "--deep", file).lines == ["no findings"]
    (found,) = succeed("ls", file, "/lost+found").lines
    assert succeed("cat", file, f"/lost+found/{found}").text == "a note"
    assert succeed("cat", file, "/kept").text == "another"


def test_without_a_word_nothing_is_changed(broken: Path) -> None:
    before = broken.read_bytes()
    planned = sqlfs("check", "--repair", broken)
    assert planned.code == 5
    assert planned.errors == "sqlfs: nothing was changed; --yes has it done\n"
    assert any("to be done:" in line for line in planned.lines)
    assert any("/lost+found/#" in line for line in planned.lines)
    assert broken.read_bytes() == before
    assert copies(broken) == []
    assert not Path(f"{broken}-wal").exists()


def test_with_yes_it_is_done_after_a_copy(broken: Path) -> None:
    before = broken.read_bytes()
    assert succeed("check", "--repair", "--yes", broken).lines[-1].startswith("the file as it was")
    (copy,) = copies(broken)
    assert copy.read_bytes() == before
    mended(broken)
    assert sqlfs("check", copy).code == 5


def test_json(broken: Path) -> None:
    planned = sqlfs("check", "--repair", "--json", broken)
    assert (planned.json["sound"], planned.json["repaired"]) == (False, False)
    done = succeed("check", "--repair", "--yes", "--no-backup", "--json", broken).json
    assert set(done) == {
        "sound", "repaired", "backup", "locked_volumes", "findings", "repairs", "remaining"
    }  # fmt: skip
    assert (done["sound"], done["repaired"], done["backup"]) == (True, True, None)
    assert done["repairs"] == planned.json["repairs"]
    assert copies(broken) == []
    mended(broken)


@pytest.mark.parametrize("answer", ["y", "n", ""])
def test_at_a_terminal_it_asks(broken: Path, answer: str) -> None:
    before = broken.read_bytes()
    outcome = at_terminal("check", "--repair", broken, answers=[(QUESTION, answer)])
    if answer == "y":
        assert outcome.code == 0
        mended(broken)
    else:
        assert outcome.code == 5
        assert "nothing was changed" in outcome.text
        assert broken.read_bytes() == before


def test_a_sound_file(file: Path) -> None:
    before = file.read_bytes()
    assert succeed("check", "--repair", "--yes", file).lines == ["no findings"]
    assert file.read_bytes() == before
    assert copies(file) == []


def test_a_file_in_use(broken: Path) -> None:
    with api.open(broken) as store:
        assert store.is_owner
        fail("check", "--repair", "--yes", broken, code=6, says="in use.*sqlfs umount")
    assert copies(broken) == []


def test_an_encrypted_volume_is_unlocked(encrypted_file: Path) -> None:
    words = ["--passphrase-env", "PASSPHRASE", encrypted_file]
    succeed("put", *words, "-", "/lost", given=b"a note", environment=UNLOCK)
    tamper(encrypted_file, "DELETE FROM edge")
    fail("check", "--repair", encrypted_file, code=4, says="passphrase")
    succeed("check", "--repair", "--yes", *words, environment=UNLOCK)
    found = succeed("ls", *words, "/lost+found", environment=UNLOCK).lines
    assert len(found) == 1


def test_where_no_copy_can_be_made_nothing_is_changed(broken: Path) -> None:
    # A name for the file and its log, and none for a copy.
    path = broken.rename(broken.with_name("n" * 245))
    before = path.read_bytes()
    fail("check", "--repair", "--yes", path, code=1, says="no copy.*nothing was changed")
    assert path.read_bytes() == before
    succeed("check", "--repair", "--yes", "--no-backup", path)
    mended(path)


def test_what_makes_no_sense(file: Path) -> None:
    fail("check", "--yes", file, code=2, says="--repair")
