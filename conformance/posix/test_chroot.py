"""chroot(2): a directory as the root of everything."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from conformance.posix.conftest import AsUser
from conformance.posix.expect import answer, fails
from conformance.posix.kinds import make
from conformance.posix.processes import ALICE, in_child

pytestmark = pytest.mark.needs("users")


@pytest.fixture
def jail(place: Path) -> Path:
    folder = make(place / "jail", "directory")
    (folder / "inner").mkdir()
    (folder / "file").write_bytes(b"inside")
    (folder / "link").symlink_to("/file")
    (folder / "climber").symlink_to("../../../file")
    (place / "file").write_bytes(b"outside")
    return folder


@pytest.mark.parametrize(
    "path",
    [
        "/file",
        "/link",
        "/../file",
        "/inner/../../../file",
        "/climber",
        "file",
        "../file",
        "inner/../file",
    ],
)
def test_every_path_stays_inside(jail: Path, path: str) -> None:
    def read() -> bytes:
        os.chroot(jail)
        os.chdir("/")
        return Path(path).read_bytes()

    assert in_child(read) == b"inside"


def test_the_root_is_the_directory(jail: Path) -> None:
    def look() -> tuple[list[str], int, int, str]:
        os.chroot(jail)
        os.chdir("/inner")
        root, above = os.stat("/").st_ino, os.stat("/..").st_ino
        return sorted(os.listdir("/")), root, above, os.getcwd()

    inode = os.stat(jail).st_ino
    assert in_child(look) == (["climber", "file", "inner", "link"], inode, inode, "/inner")


def test_what_is_made_inside_is_there_outside(jail: Path) -> None:
    def work() -> None:
        os.chroot(jail)
        os.mkdir("/new")
        os.rename("/file", "/new/file")
        os.symlink("/new", "/absolute")

    in_child(work)
    assert (jail / "new" / "file").read_bytes() == b"inside"
    assert os.readlink(jail / "absolute") == "/new"


def test_open_directories_lead_out(jail: Path) -> None:
    descriptor = os.open(jail.parent, os.O_RDONLY)

    def read() -> bytes:
        os.chroot(jail)
        os.fchdir(descriptor)
        return Path("file").read_bytes()

    try:
        assert in_child(read) == b"outside"
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("path", "result"), [("file", "ENOTDIR"), ("absent", "ENOENT"), ("climber", "ENOENT")]
)
def test_what_is_no_root(jail: Path, path: str, result: str) -> None:
    assert in_child(lambda: answer(lambda: os.chroot(jail / path))) == result


def test_it_is_for_root(jail: Path, as_user: AsUser) -> None:
    with fails(errno.EPERM):
        as_user(ALICE, lambda: os.chroot(jail))


@pytest.mark.needs("exec")
def test_a_program_runs_inside(jail: Path) -> None:
    busybox = shutil.which("busybox") or shutil.which("ldconfig")
    if busybox is None:
        pytest.skip("no program that needs no libraries")
    # Under its own name: busybox becomes what it is called.
    name = Path(busybox).name
    shutil.copy(busybox, jail / name)

    def run() -> int:
        os.chroot(jail)
        return os.spawnv(os.P_WAIT, f"/{name}", [name, "--help"])

    assert in_child(run) == 0
