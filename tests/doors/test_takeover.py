"""The owner of a file ends, or is killed; its clients go on under the next one."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import sqlfs
from tests.fuse_mounts import detach
from tests.mount.mounting import Mount, run, wait_until
from tests.owner.processes import Program, eventually, serving

End = Callable[[Mount], None]


def kill(mount: Mount) -> None:
    """SIGKILL, and away with the dead mount."""
    mount.signal(signal.SIGKILL)
    mount.wait_ended()
    if mount.is_mounted:
        detach(mount.directory)


def write_durably(path: Path, text: str) -> None:
    with path.open("w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def terminate(mount: Mount) -> None:
    mount.signal(signal.SIGTERM)
    mount.wait_ended()


def unmount(mount: Mount) -> None:
    run("umount", mount.directory)
    mount.wait_ended()


@pytest.mark.parametrize("end", [kill, terminate, unmount])
def test_a_mount_goes_on_when_the_owners_ends(first: Mount, second: Mount, end: End) -> None:
    (second / "directory").mkdir()
    write_durably(first / "directory" / "file", "of the first")
    assert (second / "directory" / "file").read_text() == "of the first"
    with (second / "directory" / "open").open("w+") as stream:
        stream.write("before, ")
        stream.flush()
        os.fsync(stream.fileno())
        end(first)
        stream.write("after")
        stream.flush()
        os.fsync(stream.fileno())
        stream.seek(0)
        assert stream.read() == "before, after"
    assert sorted(path.name for path in (second / "directory").iterdir()) == ["file", "open"]
    (second / "directory" / "file").unlink()
    with sqlfs.open(second.file) as store:
        assert store.owner_pid == second.pid
    second.unmount()
    assert [path.name for path in second.file.parent.glob("*.sqlite*")] == ["volume.sqlite"]
    first.start()
    assert (first / "directory" / "open").read_text() == "before, after"


def test_one_after_the_other(first: Mount, second: Mount, mounts: list[Mount]) -> None:
    third = mounts[2]
    third.start()
    for number, mount in enumerate((first, second)):
        write_durably(third / f"before{number}", "x")
        kill(mount)
        (third / f"after{number}").write_text("y")
        mount.start()
        assert (mount / f"after{number}").read_text() == "y"
        assert (third / f"before{number}").read_text() == "x"
    with sqlfs.open(third.file) as store:
        assert {each.pid for each in store.mounts()} == {first.pid, second.pid, third.pid}
        owner = store.owner_pid
    assert owner in (second.pid, third.pid, first.pid)


def test_what_the_kernel_knew_is_looked_at_again(
    first: Mount, second: Mount, mounts: list[Mount]
) -> None:
    third = mounts[2]
    third.start()
    write_durably(first / "file", "old")
    for mount in (second, third):
        assert (mount / "file").read_text() == "old"
        assert not (mount / "new").exists()
    kill(first)
    (second / "new").write_text("new")
    (second / "file").write_text("other")
    wait_until(lambda: (third / "new").exists(), "the third sees what is new")
    assert (third / "new").read_text() == "new"
    assert (third / "file").read_text() == "other"


def test_a_stopped_owner_holds_up_its_clients_until_it_dies(first: Mount, second: Mount) -> None:
    write_durably(second / "file", "before")
    first.signal(signal.SIGSTOP)
    first.signal(signal.SIGKILL)
    assert (second / "file").read_text() == "before"
    first.wait_ended()
    detach(first.directory)


def test_a_program_follows_on_a_mount_and_a_mount_on_a_program(
    first: Mount, mounts: list[Mount]
) -> None:
    with sqlfs.open(first.file) as store, store.mount() as files:
        files.write_text("/file", "of the program")
        files.sync()
        kill(first)
        assert files.read_text("/file") == "of the program"
        eventually(lambda: store.is_owner)
        second = mounts[1]
        second.start()
        assert (second / "file").read_text() == "of the program"
        (second / "file").write_text("of the mount")
    assert (second / "file").read_text() == "of the mount"
    with sqlfs.open(first.file) as store:
        assert store.owner_pid == second.pid


class TestProgram:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "volume.sqlite"

    @pytest.fixture
    def server(self, path: Path) -> Iterator[Program]:
        with serving(path) as program:
            with sqlfs.open(path) as store:
                store.create_volume("main")
            yield program

    def test_goes_on_when_the_owner_closes(self, server: Program, path: Path) -> None:
        with sqlfs.open(path) as store:
            files = store.mount()
            files.write_bytes("/a", b"kept")
            file = files.open("/a", "rb")
            assert server.end() == 0
            assert file.read() == b"kept"
            assert files.stat("/a").st_size == 4
            assert [each.name for each in store.volumes()] == ["main"]
            assert store.is_owner
            assert not files.exists("/b")

    def test_goes_on_by_itself(self, server: Program, path: Path) -> None:
        """What it holds is kept for a moment only: it must not wait until it is used."""
        with sqlfs.open(path) as store, store.mount() as files:
            files.write_bytes("/a", b"kept")
            file = files.open("/a", "rb")
            files.remove("/a")
            files.sync()
            server.kill()
            eventually(lambda: store.is_owner)
            assert file.read() == b"kept"

    @pytest.mark.usefixtures("server")
    def test_of_another_file_is_not_awaited_in_its_copy(self, path: Path) -> None:
        copy = path.with_name("copy.sqlite")
        with sqlfs.open(path) as store, store.mount() as files:
            files.write_bytes("/a", b"kept")
            files.sync()
            shutil.copy(path, copy)
            with sqlfs.open(copy) as other, other.mount() as copied:
                # Where clients may come back, no lock is to be had.
                copied.open("/a", "r+b", lock=True).close()

    def test_that_only_has_the_file_open_does_not(self, server: Program, path: Path) -> None:
        with sqlfs.open(path) as store:
            server.end()
            with sqlfs.open(path) as other:
                assert other.is_owner
                assert [each.name for each in store.volumes()] == ["main"]
                assert not store.is_owner

    def test_finds_another_file_in_its_place(self, server: Program, path: Path) -> None:
        with sqlfs.open(path) as store:
            files = store.mount()
            path.rename(path.with_name("moved.sqlite"))
            with sqlfs.open(path, create=True) as other:
                other.create_volume("main")
            server.kill()
            with pytest.raises(sqlfs.errors.ConnectionLost, match="another file"):
                files.listdir()
            with pytest.raises(sqlfs.errors.ConnectionLost):
                files.close()
