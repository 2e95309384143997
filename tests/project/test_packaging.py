"""What is installed: the wheel holds the SQL, finds it, and declares every command."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.project import ROOT

SQL_FILES = {str(file.relative_to(ROOT)) for file in (ROOT / "sql").rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the project, built without network."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [file] = folder.glob("*.whl")
    return file


def test_the_wheel_holds_every_sql_file(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name.removeprefix("sqlfs/") for name in archive.namelist()}
    assert held >= SQL_FILES


def test_the_wheel_declares_every_command(wheel: Path) -> None:
    declared = ConfigParser()
    with zipfile.ZipFile(wheel) as archive:
        [entry_points] = [it for it in archive.namelist() if it.endswith("/entry_points.txt")]
        declared.read_string(archive.read(entry_points).decode())
    assert dict(declared["console_scripts"]) == {
        "sqlfs": "sqlfs.cli.main:run",
        "sqlfs-mount": "fuse_driver.mount:run",
        "mount.sqlfs": "fuse_driver.mount8:run",
    }


def test_the_wheel_brings_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        top = {name.partition("/")[0] for name in archive.namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == {"sqlfs", "fuse_driver"}


def test_an_installed_package_reads_its_own_sql(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    program = (
        "from sqlfs.store import statements as it;"
        "print(it.sql_folder(), len(it.statements()), len(it.checks()), bool(it.schema()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    )
    folder, statements, checks, schema = done.stdout.split()
    assert Path(folder) == tmp_path / "sqlfs" / "sql"
    assert int(statements) > 0
    assert int(checks) > 0
    assert schema == "True"
