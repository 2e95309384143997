"""One volume through a whole day, plain and encrypted; then the file is copied and all is there."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.volumes import MEMORY_BYTES_MAX, SOAK, Volume, random_file
from tests.mount.mounting import DEADLINE_S, ENVIRONMENT, run
from tests.mount.test_programs import listing

LARGE_BYTES = 128 * 2**20 * SOAK
DATABASES = {"rollback.sqlite": "delete", "wal.sqlite": "wal"}
SCRIPT = """
import sys, sqlfs
from pathlib import Path
path, *secrets = sys.argv[1:]
passphrases = [Path(secret).read_text() for secret in secrets]
with sqlfs.open(path) as store, store.mount(None, *passphrases) as fs:
    assert not store.is_owner
    fs.write_text("/doors/script", fs.read_text("/doors/mount") + " and the script")
"""


@pytest.fixture
def large(tmp_path: Path) -> Iterator[Path]:
    with random_file(tmp_path / "large", LARGE_BYTES) as path:
        yield path


def test_a_day_of_a_volume(volume: Volume, library: Path, large: Path, tmp_path: Path) -> None:
    copy_trees(volume, library)
    work_with_git(volume, library)
    copy_large_file(volume, large)
    fill_databases(volume)
    install_into_environment(volume, tmp_path)
    use_other_doors(volume)
    before = listing(volume.directory)
    assert volume.peak_bytes() < MEMORY_BYTES_MAX

    volume.unmount()
    assert [path.name for path in tmp_path.glob("volume.*")] == ["volume.sqlite"]
    (tmp_path / "second").mkdir()
    with Volume(tmp_path / "second", encrypted=volume.encrypted) as snapshot:
        run("cp", volume.file, snapshot.file)
        for each in (volume, snapshot):
            each.start()
            assert listing(each.directory) == before
        check_content(volume, library, large)
        run("diff", "-r", "--no-dereference", volume.directory, snapshot.directory, timeout=None)
        assert run(volume / "environment" / "bin" / "greet").stdout == "hello\n"
    assert volume.sqlfs("check", "--deep").lines == ["no findings"]


def check_content(volume: Volume, library: Path, large: Path) -> None:
    """What each program put in is what it, or another one, finds there."""
    run("diff", "-r", "--no-dereference", library, volume / "copied")
    compare_by_tar(library, volume / "unpacked")
    run("cmp", large, volume / "large", timeout=None)
    assert git("-C", volume / "clone", "status", "--porcelain") == ""
    git("-C", volume / "clone", "fsck", "--strict")
    for name in DATABASES:
        check_database(volume / name)


def copy_trees(volume: Volume, library: Path) -> None:
    run("cp", "-a", library, volume / "copied")
    run("diff", "-r", "--no-dereference", library, volume / "copied")
    (volume / "unpacked").mkdir()
    pipe_tar(library, volume / "unpacked", "-x")
    compare_by_tar(library, volume / "unpacked")


def compare_by_tar(source: Path, directory: Path) -> None:
    """Times, modes, owners, links and content, by ``tar d``."""
    assert pipe_tar(source, directory, "-d") == ""


def pipe_tar(source: Path, directory: Path, what: str) -> str:
    # The format that keeps nanoseconds.
    pipe = 'set -o pipefail; tar -C "$1" --format=posix -cf - . | tar -C "$2" "$3" -f -'
    return run("bash", "-c", pipe, "bash", source, directory, what).stdout


def work_with_git(volume: Volume, library: Path) -> None:
    origin = volume.file.parent / "origin"
    run("cp", "-a", library / "email", origin)
    git("-C", origin, "init")
    git("-C", origin, "add", ".")
    git("-C", origin, "commit", "-m", "first")
    clone = volume / "clone"
    git("clone", origin, clone)
    (clone / "charset.py").write_text("changed")
    (clone / "new").symlink_to("charset.py")
    git("-C", clone, "add", ".")
    git("-C", clone, "commit", "-m", "second")
    git("-C", clone, "fsck", "--strict")
    git("-C", clone, "gc")


def git(*arguments: str | Path) -> str:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@localhost")
    return run("git", "-c", "init.defaultBranch=main", *identity, *arguments).stdout


def copy_large_file(volume: Volume, large: Path) -> None:
    out = volume.file.parent / "out"
    run("cp", large, volume / "large", timeout=None)
    run("cp", volume / "large", out, timeout=None)
    run("cmp", large, out, timeout=None)
    out.unlink()


def fill_databases(volume: Volume) -> None:
    for name, journal in DATABASES.items():
        with closing(sqlite3.connect(volume / name)) as database:
            assert database.execute(f"PRAGMA journal_mode={journal}").fetchone() == (journal,)
            database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, value BLOB)")
            for _ in range(10):
                database.executemany("INSERT INTO t(value) VALUES (?)", [(os.urandom(500),)] * 200)
                database.commit()
        check_database(volume / name)


def check_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("SELECT count(*) FROM t").fetchone() == (2000,)


def install_into_environment(volume: Volume, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path / "project")
    environment = volume / "environment"
    run(sys.executable, "-m", "venv", environment)
    pip: list[str | Path] = [environment / "bin" / "pip", "--disable-pip-version-check", "--quiet"]
    run(*pip, "install", "--no-index", wheel)
    assert run(environment / "bin" / "greet").stdout == "hello\n"


def build_wheel(project: Path) -> Path:
    """A wheel with one command, built without network."""
    project.mkdir()
    (project / "greeting.py").write_text('def main():\n    print("hello")\n')
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "greeting"\nversion = "1"\n'
        '[project.scripts]\ngreet = "greeting:main"\n'
    )
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", cwd=project)
    (wheel,) = (project / "dist").iterdir()
    return wheel


def use_other_doors(volume: Volume) -> None:
    """The command and a program use the volume while it is mounted, and the mount sees it."""
    (volume / "doors").mkdir()
    (volume / "doors" / "mount").write_text("from the mount")
    volume.sqlfs("put", "-", "/doors/command", given=b"from the command")
    assert (volume / "doors" / "command").read_text() == "from the command"
    subprocess.run(
        [sys.executable, "-c", SCRIPT, volume.file, *volume.words[1:]],
        env=ENVIRONMENT, check=True, timeout=DEADLINE_S,
    )  # fmt: skip
    assert (volume / "doors" / "script").read_text() == "from the mount and the script"
    assert volume.sqlfs("cat", "/doors/script").text == "from the mount and the script"
    assert volume.sqlfs("ls", "/doors").lines == ["command", "mount", "script"]
