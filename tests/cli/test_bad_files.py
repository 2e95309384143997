"""Files that are no volume files, or not sound, or not to be had: one line, and a code."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

import sqlfs as api
from tests.cli.running import COMMAND, ENVIRONMENT, fail, sqlfs, succeed

NOBODY = 65534


def change(path: Path, statement: str) -> None:
    """Run one statement of SQL on a volume file, behind the back of sqlfs."""
    connection = apsw.Connection(str(path))
    connection.execute(statement)
    connection.close()


def remove(path: Path) -> None:
    path.unlink()


def make_a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_a_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def write_text(path: Path) -> None:
    path.write_text("this is no volume file, but it is long enough to have a header" * 10)


def make_a_foreign_database(path: Path) -> None:
    path.unlink()
    change(path, "CREATE TABLE photo (id INTEGER PRIMARY KEY)")


def make_it_newer(path: Path) -> None:
    change(path, "PRAGMA user_version = 2")


def need_a_feature(path: Path) -> None:
    change(path, "INSERT INTO feature VALUES ('telepathy', 1)")


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


BAD: list[tuple[Callable[[Path], None], int, str]] = [
    (remove, 3, "no such file"),
    (make_a_directory, 7, "is a directory"),
    (make_a_fifo, 7, "not a regular file"),
    (empty, 7, "is empty"),
    (write_text, 7, "not SQLite"),
    (make_a_foreign_database, 7, "another program's"),
    (make_it_newer, 7, "format 2"),
    (need_a_feature, 7, "'telepathy'"),
    (truncate, 5, "truncated"),
]


@pytest.mark.parametrize(("spoil", "code", "says"), BAD, ids=lambda it: getattr(it, "__name__", ""))
@pytest.mark.parametrize("words", [["ls"], ["info"], ["rm", "/x"]], ids=lambda it: it[0])
def test_a_bad_file(
    file: Path, spoil: Callable[[Path], None], code: int, says: str, words: list[str]
) -> None:
    spoil(file)
    fail(words[0], file, *words[1:], code=code, says=f"{file}.*({says})")


def test_two_names_can_be_read_but_not_written(file: Path) -> None:
    file.with_name("another").hardlink_to(file)
    succeed("ls", file)
    fail("mkdir", file, "/x", code=1, says=f"{file} has 2 names")


def test_a_copy_made_of_a_file_in_use(file: Path, tmp_path: Path) -> None:
    succeed("mkdir", file, "/x")
    copy = tmp_path / "copy.sqlite"
    with api.open(file) as store, store.mount("main"):
        shutil.copy(file, copy)  # not closed in good order
    assert succeed("ls", file).lines == ["x"]
    assert sqlfs("ls", copy).lines == ["x"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_read_only_file_system(file: Path) -> None:
    succeed("mkdir", file, "/x")
    # The mount is in a namespace that ends with the shell.
    script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'
    isolated = ["unshare", "--mount", "sh", "-c", script, "sh", file.parent]
    for words, code, says in (
        (["ls", file], 0, ""),
        (["rm", "-r", file, "/x"], 1, f"sqlfs: {file} can't be written"),
        (["init", file.with_name("new.sqlite")], 1, "sqlfs: can't create"),
    ):
        done = subprocess.run(
            [*isolated, *COMMAND, *words], capture_output=True, env=ENVIRONMENT, text=True
        )
        assert done.returncode == code, done.stderr
        assert done.stderr.startswith(says)
        assert done.stderr.count("\n") == bool(says)
    assert succeed("ls", file).lines == ["x"]


def test_a_missing_log(file: Path) -> None:
    script = (
        "import os, sys, sqlfs; store = sqlfs.open(sys.argv[1]); fs = store.mount();"
        "fs.mkdir('/early'); store.checkpoint(); fs.mkdir('/late'); fs.sync();"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, file], env=ENVIRONMENT, check=False)
    log = file.with_name(file.name + "-wal")
    log.rename(log.with_name("moved-away"))
    fail("mkdir", file, "/x", code=5, says="log .* is missing.*--accept-state")
    looked = sqlfs("ls", file)
    assert looked.code == 0
    assert "is missing" in looked.errors
    assert looked.lines == ["early"]
    assert sqlfs("mkdir", "--accept-state", file, "/x").code == 0
    assert succeed("ls", file).lines == ["early", "x"]


def test_an_owner_that_cannot_be_reached(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        fail("ls", file, code=6, says=f"in use by process {os.getpid()}")
    finally:
        os.close(descriptor)
    succeed("ls", file)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may use."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_an_owner_that_serves_other_users_only(open_folder: Path) -> None:
    path = open_folder / "volume.sqlite"
    # The interpreter may not be readable to everybody: it has read everything before.
    script = (
        "import os, sys, sqlfs.cli.main, encodings.idna;"
        "sqlfs.cli.registry.command('ls').parse(['FILE']);"
        f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY}); sqlfs.cli.main.run()"
    )
    with api.open(path, create=True) as store:
        store.create_volume("main")
        path.chmod(0o666)
        done = subprocess.run(
            [sys.executable, "-c", script, "ls", path],
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 4, done.stderr
    assert done.stderr.startswith(f"sqlfs: {path} is in use by process {os.getpid()}")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(file: Path) -> None:
    file.chmod(0)
    fail("ls", file, code=4, says="no permission")


def test_a_new_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "new.sqlite"
    succeed("init", path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_standard_streams_that_are_closed(file: Path) -> None:
    command = " ".join(["exec", *(f"'{word}'" for word in COMMAND), "mkdir", f"'{file}'", "/x"])
    done = subprocess.run(["sh", "-c", f"{command} <&- >&- 2>&-"], env=ENVIRONMENT)
    assert done.returncode == 0
    assert succeed("ls", file).lines == ["x"]
    assert succeed("check", "--deep", file).lines == ["no findings"]
