"""Where passphrases come from, and what is said when they are wrong or missing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

import sqlfs as api
from tests.cli.conftest import PASSPHRASE
from tests.cli.running import COMMAND, ENVIRONMENT, at_terminal, fail, succeed


@pytest.fixture
def passphrase_file(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text(f"{PASSPHRASE}\n")
    return path


def test_from_a_file(encrypted_file: Path, passphrase_file: Path) -> None:
    succeed("mkdir", "--passphrase-file", passphrase_file, encrypted_file, "/x")
    assert succeed("ls", "--passphrase-file", passphrase_file, encrypted_file).lines == ["x"]


def test_from_the_environment(encrypted_file: Path) -> None:
    words = ["ls", "--passphrase-env", "SECRET", encrypted_file]
    succeed(*words, environment={"SECRET": PASSPHRASE})
    fail(*words, code=2, says="no variable SECRET")


def test_from_a_descriptor(encrypted_file: Path) -> None:
    reading, writing = os.pipe()
    try:
        os.write(writing, f"{PASSPHRASE}\n".encode())
        os.close(writing)
        done = subprocess.run(
            [*COMMAND, "put", "--passphrase-fd", str(reading), encrypted_file, "-", "/x"],
            input=b"content",
            pass_fds=[reading],
            env=ENVIRONMENT,
            capture_output=True,
        )
    finally:
        os.close(reading)
    assert (done.returncode, done.stderr) == (0, b"")


def test_from_the_terminal(encrypted_file: Path) -> None:
    prompt = "Passphrase of volume 'main': "
    shown = at_terminal("mkdir", encrypted_file, "/x", answers=[(prompt, PASSPHRASE)])
    assert shown.code == 0, shown
    assert PASSPHRASE not in shown.text
    shown = at_terminal("mkdir", encrypted_file, "/y", answers=[(prompt, "wrong")])
    assert shown.code == 4
    assert "wrong passphrase for volume 'main'" in shown.text


def test_a_new_one_is_asked_for_twice(tmp_path: Path) -> None:
    path = tmp_path / "new.sqlite"
    first, again = "New passphrase of volume 'main': ", "New passphrase of volume 'main' (again): "
    shown = at_terminal("init", "--encrypt", path, answers=[(first, "one"), (again, "other")])
    assert shown.code == 2
    assert "differ" in shown.text
    assert not path.exists()
    shown = at_terminal("init", "--encrypt", path, answers=[(first, "one"), (again, "one")])
    assert shown.code == 0, shown
    succeed("ls", "--passphrase-env", "SECRET", path, environment={"SECRET": "one"})


def test_without_any(encrypted_file: Path, tmp_path: Path) -> None:
    fail("ls", encrypted_file, code=4, says="passphrase is needed.*no terminal")
    new = tmp_path / "new.sqlite"
    fail("init", "--encrypt", new, code=4, says="passphrase is needed.*no terminal")
    assert not new.exists()


def test_a_wrong_one(encrypted_file: Path, passphrase_file: Path) -> None:
    passphrase_file.write_text("incorrect horse")
    words = ["ls", "--passphrase-file", passphrase_file, encrypted_file]
    fail(*words, code=4, says="wrong passphrase")
    with api.open(encrypted_file):
        fail(*words, code=4, says="wrong passphrase")


def test_one_for_a_plain_volume(shared_file: Path, passphrase_file: Path) -> None:
    words = ["ls", "--passphrase-file", passphrase_file, shared_file]
    fail(*words, code=2, says="not encrypted")


def test_an_empty_one(encrypted_file: Path, passphrase_file: Path) -> None:
    passphrase_file.write_text("\n")
    fail("ls", "--passphrase-file", passphrase_file, encrypted_file, code=2, says="empty")


def test_a_file_that_is_missing(encrypted_file: Path, tmp_path: Path) -> None:
    words = ["ls", "--passphrase-file", tmp_path / "missing", encrypted_file]
    fail(*words, code=2, says="cannot read passphrase file")


def test_nothing_of_it_is_stored(tmp_path: Path) -> None:
    path, secret = tmp_path / "new.sqlite", {"SECRET": "a very special passphrase"}
    succeed("init", "--passphrase-env", "SECRET", path, environment=secret)
    words = ["put", "--passphrase-env", "SECRET", path, "-", "/a-telling-name"]
    succeed(*words, given=b"a telling content", environment=secret)
    raw = path.read_bytes()
    for text in (b"special", b"telling"):
        assert text not in raw
