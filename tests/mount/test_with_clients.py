"""A mount and clients of the process that serves it: one volume, one truth, at once."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest

import sqlfs
from sqlfs import FileSystem, Store
from sqlfs.errors import NotFound
from tests.mount.mounting import DEADLINE_S, ENVIRONMENT, Mount, is_running, wait_until


@pytest.fixture
def store(mounted: Mount) -> Iterator[Store]:
    """The mounted file, opened by this process as a client."""
    with sqlfs.open(mounted.file) as store:
        assert not store.is_owner
        yield store


@pytest.fixture
def client(store: Store) -> Iterator[FileSystem]:
    with store.mount() as client:
        yield client


def test_what_a_client_makes_is_there_although_the_kernel_knew_better(
    mounted: Mount, client: FileSystem
) -> None:
    for number in range(50):
        path = mounted / f"file{number}"
        assert not path.exists()
        client.write_bytes(f"/file{number}", b"made")
        assert path.read_bytes() == b"made"


def test_what_a_client_changes_is_seen_at_once(mounted: Mount, client: FileSystem) -> None:
    path = mounted / "file"
    path.write_bytes(b"0123456789" * 10_000)
    with path.open("rb", buffering=0) as stream:
        for number in range(50):
            size = 100_000 - 1000 * number
            client.truncate("/file", size)
            assert path.stat().st_size == size
            client.chmod("/file", 0o600 + number % 8)
            assert path.stat().st_mode & 0o777 == 0o600 + number % 8
            with client.open("/file", "r+b") as theirs:
                theirs.write(b"%010d" % number)
            stream.seek(0)
            assert stream.read(20) == b"%010d0123456789" % number


def test_what_a_client_renames_or_removes_is_gone_at_once(
    mounted: Mount, client: FileSystem
) -> None:
    (mounted / "directory").mkdir()
    for number in range(50):
        old, new = mounted / "directory" / f"old{number}", mounted / f"new{number}"
        old.write_text("x")
        assert not new.exists()
        client.rename(f"/directory/old{number}", f"/new{number}")
        assert (old.exists(), new.exists()) == (False, True)
        client.remove(f"/new{number}")
        assert not new.exists()
    client.rmdir("/directory")
    assert list(mounted.directory.iterdir()) == []


def test_what_the_mount_closed_a_client_sees(mounted: Mount, client: FileSystem) -> None:
    for number in range(20):
        (mounted / "file").write_text(f"version {number}")
        assert client.read_text("/file") == f"version {number}"
    (mounted / "file").unlink()
    assert not client.exists("/file")


def test_both_at_once_in_one_directory(mounted: Mount) -> None:
    """The kernel holds a directory's lock while it asks; being told of changes needs that lock."""
    script = textwrap.dedent(
        """
        import sys, sqlfs
        with sqlfs.open(sys.argv[1]) as store, store.mount() as client:
            print("READY", flush=True)
            for number in range(300):
                client.write_bytes("/shared", b"client")
                client.write_bytes(f"/client{number}", b"x")
                client.listdir("/")
                client.remove(f"/client{number}")
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, mounted.file],
        env=ENVIRONMENT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    with process.stdout as output:
        assert output.readline() == "READY\n"
        number = 0
        while process.poll() is None:
            number += 1
            (mounted / "shared").write_text("mount")
            (mounted / f"mount{number}").touch()
            assert f"mount{number}" in {path.name for path in mounted.directory.iterdir()}
            (mounted / f"mount{number}").rename(mounted / f"moved{number}")
            (mounted / f"moved{number}").unlink()
    assert process.wait(DEADLINE_S) == 0
    assert [path.name for path in mounted.directory.iterdir()] == ["shared"]


def test_a_client_asks_for_the_end(mounted: Mount, store: Store) -> None:
    (mounted / "file").write_text("kept")
    with pytest.raises(NotFound):
        store.unmount("/somewhere/else")
    store.unmount(str(mounted.directory))
    assert not mounted.is_mounted
    assert [path.name for path in mounted.file.parent.glob("volume.*")] == ["volume.sqlite"]
    wait_until(lambda: not is_running(mounted.pid), "the daemon ends")


def test_the_mount_is_listed(mounted: Mount, store: Store) -> None:
    (mount,) = [each for each in store.mounts() if each.door == "fuse"]
    assert (mount.where, mount.pid) == (str(mounted.directory), mounted.pid)
    assert (mount.volume, mount.read_only) == ("main", False)
