"""What the documentation shows, word for word."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

import sqlfs
from tests.contract.implementations import QUICK_KDF
from tests.owner.processes import serving


def show(store: sqlfs.Store) -> list[object]:
    # fmt: off
    with store.mount("photos", passphrase="correct horse") as fs:
        fs.mkdir("/2024"); fs.write_bytes("/2024/a.txt", b"a sunset")  # noqa: E702
        with fs.open("/note.txt", "w+b") as f:
            f.write(b"hello world")
        fs.rename("/note.txt", "/2024/note.txt"); fs.copy("/2024", "/backup")  # noqa: E702
        shown = [
            fs.listdir("/"), [entry.name for entry in fs.scandir("/")],
            fs.stat("/2024").st_nlink, list(fs.walk("/")),
            fs.read_bytes("/backup/note.txt"),
        ]
        fs.rmtree("/backup")
        return [*shown, fs.listdir("/")]
    # fmt: on


@pytest.mark.parametrize("door", ["owner", "client"])
def test_of_the_api(tmp_path: Path, door: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:
        if door == "client":
            stack.enter_context(serving(Path("photos.sqlite")))
        with sqlfs.open("photos.sqlite", create=True) as store:
            assert store.is_owner == (door == "owner")
            vol = store.create_volume("photos", passphrase="correct horse", kdf=QUICK_KDF)
            assert vol.encrypted
            shown = show(store)
    tree = ["a.txt", "note.txt"]
    assert shown == [
        ["2024", "backup"],
        ["2024", "backup"],
        2,
        [("/", ["2024", "backup"], []), ("/2024", [], tree), ("/backup", [], tree)],
        b"hello world",
        ["2024"],
    ]


def test_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert sqlfs.__doc__ is not None
    code = "\n".join(line[4:] for line in sqlfs.__doc__.split("::\n")[1].splitlines())
    exec(compile(code, "example", "exec"), {})
    with sqlfs.open(b"photos.sqlite") as store, store.mount(passphrase=b"correct horse") as fs:
        assert fs.read_bytes("/a.txt") == b"a sunset"


def test_the_package_shows_what_it_promises() -> None:
    for name in sqlfs.__all__:
        assert getattr(sqlfs, name)
    assert issubclass(sqlfs.errors.NotFound, FileNotFoundError)
    assert sqlfs.__version__[0].isdigit()
    with pytest.raises(AttributeError, match="nothing"):
        sqlfs.nothing  # noqa: B018


def test_loading_the_errors_loads_no_more(tmp_path: Path) -> None:
    program = "import sys, sqlfs.errors; raise SystemExit('apsw' in sys.modules)"
    env = {**os.environ, "PYTHONPATH": str(Path(sqlfs.__file__).parents[1])}
    subprocess.run([sys.executable, "-c", program], env=env, cwd=tmp_path, check=True)
