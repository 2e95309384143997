"""One volume at two mountpoints: each shows at once what was done by way of the other."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import sqlfs
from sqlfs.cli.exits import Exit
from tests.cli.running import COMMAND as SQLFS
from tests.mount.mounting import DEADLINE_S, ENVIRONMENT, Mount, run, sqlfs_mount, wait_until

End = Callable[[Mount], None]


def test_both_are_listed(first: Mount, second: Mount) -> None:
    with sqlfs.open(first.file) as store:
        listed = [(mount.where, mount.pid) for mount in store.mounts()]
    assert listed == [(str(each.directory), each.pid) for each in (first, second)]


@pytest.mark.parametrize("swapped", [False, True], ids=["first", "second"])
def test_each_sees_what_the_other_does(first: Mount, second: Mount, swapped: bool) -> None:
    here, there = (second, first) if swapped else (first, second)
    (here / "directory").mkdir()
    for number in range(30):
        name = f"file{number}"
        assert not (there / name).exists()
        (here / name).write_text("x" * number)
        assert (there / name).read_text() == "x" * number
        (here / name).write_text("another")
        assert (there / name).read_text() == "another"
        (here / name).chmod(0o600 + number % 8)
        assert (there / name).stat().st_mode & 0o777 == 0o600 + number % 8
        (here / name).rename(here / "directory" / name)
        assert not (there / name).exists()
        assert (there / "directory" / name).stat().st_nlink == 1
        (here / "directory" / name).unlink()
        assert list((there / "directory").iterdir()) == []


def test_the_same_file_has_the_same_number(first: Mount, second: Mount) -> None:
    (first / "file").touch()
    assert (first / "file").stat().st_ino == (second / "file").stat().st_ino


def test_both_at_once_in_one_directory(first: Mount, second: Mount) -> None:
    """The kernel holds a directory's lock while it asks; being told of changes needs that lock."""
    rounds = 150

    def work(mount: Mount, name: str) -> None:
        for number in range(rounds):
            (mount / "shared").write_text(name)
            (mount / f"{name}{number}").touch()
            (mount / f"{name}{number}").rename(mount / f"{name}-moved{number}")
            if number % 2:
                (mount / f"{name}-moved{number}").unlink()

    both = [
        threading.Thread(target=work, args=(mount, name), daemon=True)
        for mount, name in ((first, "a"), (second, "b"))
    ]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(DEADLINE_S)
        assert not thread.is_alive()
    expected = {f"{name}-moved{number}" for name in "ab" for number in range(0, rounds, 2)}
    for mount in (first, second):
        assert {path.name for path in mount.directory.iterdir()} == expected | {"shared"}
        assert (mount / "shared").read_text() in ("a", "b")


def test_a_file_removed_at_one_stays_open_at_the_other(first: Mount, second: Mount) -> None:
    (first / "file").write_text("kept")
    with (second / "file").open() as stream:
        (first / "file").unlink()
        assert not (second / "file").exists()
        assert os.fstat(stream.fileno()).st_nlink == 0
        assert stream.read() == "kept"


def test_another_volume_of_the_file(first: Mount, mounts: list[Mount]) -> None:
    other = mounts[1]
    said = other.start(
        "--volume", "other", "--encrypt", "--passphrase-env", "P",
        env={**ENVIRONMENT, "P": "secret"},
    )  # fmt: skip
    assert "created encrypted volume 'other'" in said
    (other / "file").write_text("secret")
    (first / "file").write_text("plain")
    assert ((first / "file").read_text(), (other / "file").read_text()) == ("plain", "secret")
    done = sqlfs_mount(
        f"{first.file}:other", mounts[2].directory, "--passphrase-env", "P",
        environment={"P": "wrong"},
    )  # fmt: skip
    assert done.returncode == Exit.DENIED


def umount(mount: Mount) -> None:
    run("umount", mount.directory)


def fusermount(mount: Mount) -> None:
    run("fusermount3", "-u", mount.directory)


def sqlfs_umount(mount: Mount) -> None:
    run(*SQLFS, "umount", mount.directory)
    assert not mount.is_mounted


def terminate(mount: Mount) -> None:
    mount.signal(signal.SIGTERM)


@pytest.mark.parametrize("end", [umount, fusermount, sqlfs_umount, terminate])
def test_the_client_is_unmounted_and_the_owner_goes_on(
    first: Mount, second: Mount, end: End
) -> None:
    (second / "file").write_text("kept")
    end(second)
    second.wait_ended()
    assert not second.is_mounted
    assert (first / "file").read_text() == "kept"
    with sqlfs.open(first.file) as store:
        wait_until(lambda: len(store.mounts()) == 1, "the client's session ends")
    second.start()
    assert (second / "file").read_text() == "kept"


def test_what_the_client_synced_survives_the_owner(first: Mount, second: Mount) -> None:
    with (second / "file").open("wb") as stream:
        stream.write(b"kept" * 1000)
        stream.flush()
        os.fsync(stream.fileno())
    for mount in (second, first):
        mount.signal(signal.SIGKILL)
        mount.wait_ended()
    for mount in (first, second):
        mount.end()
    first.start()
    assert (first / "file").read_bytes() == b"kept" * 1000


def test_reading_only(first: Mount, mounts: list[Mount]) -> None:
    (first / "file").write_text("there")
    mounts[1].start("-o", "ro")
    assert (mounts[1] / "file").read_text() == "there"
    with pytest.raises(OSError, match="Read-only"):
        (mounts[1] / "other").touch()
    (first / "other").touch()
    assert (mounts[1] / "other").exists()


def test_a_program_that_owns_the_file(mounts: list[Mount]) -> None:
    """A mount is a client of whoever was first."""
    mount = mounts[0]
    with sqlfs.open(mount.file, create=True) as store:
        store.create_volume("main")
        mount.start()
        with store.mount() as files:
            files.write_bytes("/file", b"of the program")
            assert (mount / "file").read_bytes() == b"of the program"
            (mount / "file").write_bytes(b"of the mount")
            assert files.read_bytes("/file") == b"of the mount"
        mount.unmount()


def test_a_program_made_by_one_runs_at_the_other(first: Mount, second: Mount) -> None:
    data = Path("/usr/bin/env").read_bytes()
    (first / "program").write_bytes(data)
    (first / "program").chmod(0o755)
    assert run(second / "program", "echo", "runs").stdout == "runs\n"
