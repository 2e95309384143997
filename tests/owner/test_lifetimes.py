"""What is left when a client, an owner, a session or a process ends."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

import sqlfs
from sqlfs.errors import ConnectionLost, Invalid, NotFound, NotSupported, WouldBlock
from sqlfs.owner.rendezvous import spellings
from tests.owner.processes import eventually, serving, socket_of


def _can_lock(fs: sqlfs.FileSystem, path: str) -> bool:
    try:
        fs.open(path, "r+b", lock=True).close()
    except WouldBlock:
        return False
    return True


class TestClient:
    def test_that_dies_leaves_no_lock_and_no_session(self, owner: sqlfs.Store) -> None:
        ready, told = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                fs = sqlfs.open(owner.path).mount()
                file = fs.open("/a", "wb", lock=True)
                file.write(b"half")
                file.flush()
                os.write(told, b"x")
                signal.pause()
            finally:
                os._exit(1)
        os.close(told)
        assert os.read(ready, 1) == b"x"
        with owner.mount() as fs:
            assert [each.pid for each in owner.mounts()] == [child, os.getpid()]
            assert not _can_lock(fs, "/a")
            os.kill(child, 9)
            os.waitpid(child, 0)
            eventually(lambda: _can_lock(fs, "/a"))
            eventually(lambda: len(owner.mounts()) == 1)
            assert fs.read_bytes("/a") == b"half"
        os.close(ready)

    def test_that_closes_its_store_closes_its_sessions(
        self, owner: sqlfs.Store, client: sqlfs.Store
    ) -> None:
        session = client.session("main")
        fs = client.mount()
        fs.open("/a", "wb").write(b"buffered")
        client.close()
        assert fs.closed
        eventually(lambda: owner.mounts() == [])
        with pytest.raises(ConnectionLost):
            session.getattr(session.root)
        with owner.mount() as fs:
            assert fs.read_bytes("/a") == b"buffered"

    @pytest.mark.usefixtures("server")
    def test_that_forks_keeps_its_session_to_itself(self, path: Path) -> None:
        with sqlfs.open(path) as store, store.mount() as fs:
            child = os.fork()
            if child == 0:
                try:
                    fs.listdir()
                except ConnectionLost as error:
                    store.close()
                    os._exit("fork" in error.message)
                finally:
                    os._exit(2)
            _, status = os.waitpid(child, 0)
            assert os.waitstatus_to_exitcode(status) == 1
            assert fs.listdir() == []

    def test_whose_answer_was_interrupted_takes_no_other_for_it(
        self, client: sqlfs.Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        session = client.session("main")

        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("sqlfs.owner.channel.receive", interrupted)
            with pytest.raises(KeyboardInterrupt):
                session.getattr(session.root)
        with pytest.raises(NotFound):
            session.lookup(session.root, b"missing")
        assert session.getattr(session.root).is_dir

    def test_whose_argument_can_not_travel_goes_on(self, client: sqlfs.Store) -> None:
        session = client.session("main")
        with pytest.raises(Invalid):
            session.getattr(2**64)
        assert session.getattr(session.root).is_dir

    def test_of_a_verb_that_fails_in_the_owner_goes_on(
        self,
        owner: sqlfs.Store,
        client: sqlfs.Store,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def broken(*_: object) -> None:
            raise ZeroDivisionError

        with monkeypatch.context() as patch:
            patch.setattr("sqlfs.volume.VolumeFile.mounts", broken)
            with pytest.raises(sqlfs.errors.InputOutput, match="see its log"):
                client.mounts()
        assert "ZeroDivisionError" in caplog.text
        assert client.mounts() == owner.mounts() == []


class TestOwner:
    def test_that_forks_keeps_the_file_to_itself(self, owner: sqlfs.Store) -> None:
        child = os.fork()
        if child == 0:
            try:
                owner.close()
                os._exit(0)
            finally:
                os._exit(2)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert socket_of(owner.path).is_socket()
        with sqlfs.open(owner.path) as store:
            assert [each.name for each in store.volumes()] == ["main"]

    def test_closes_twice(self, owner: sqlfs.Store, client: sqlfs.Store) -> None:
        client.close()
        client.close()
        owner.close()
        owner.close()


class TestUnmount:
    @pytest.fixture
    def mountpoint(self, tmp_path: Path) -> Path:
        mountpoint = tmp_path / "mnt"
        mountpoint.mkdir()
        return mountpoint

    def test_returns_when_the_file_is_whole(self, path: Path, mountpoint: Path) -> None:
        with serving(path, mountpoint) as server, sqlfs.open(path) as store:
            with store.mount() as fs:
                fs.write_bytes("/a", b"kept")
            store.unmount(str(mountpoint))
            assert not path.with_name(path.name + "-wal").exists()
            with sqlfs.open(path) as again:
                assert again.is_owner
            assert server.end() == 0

    def test_of_what_is_not_mounted(self, path: Path, mountpoint: Path) -> None:
        with serving(path, mountpoint), sqlfs.open(path) as store:
            with pytest.raises(NotFound, match="elsewhere"):
                store.unmount(str(mountpoint / "elsewhere"))
            assert len(store.mounts()) == 1

    def test_of_an_owner_that_died_finds_no_mount(self, path: Path, mountpoint: Path) -> None:
        with serving(path, mountpoint) as server, sqlfs.open(path) as store:
            assert store.volumes()
            server.kill()
            with pytest.raises(NotFound):
                store.unmount(str(mountpoint))

    def test_of_an_owner_that_dies_of_it_is_an_error(self, path: Path, mountpoint: Path) -> None:
        with (
            serving(path, mountpoint, "dies") as server,
            sqlfs.open(path) as store,
            pytest.raises(ConnectionLost, match=str(server.pid)),
        ):
            store.unmount(str(mountpoint))

    def test_of_an_owner_that_takes_no_requests(
        self, owner: sqlfs.Store, client: sqlfs.Store
    ) -> None:
        owner.session("main", door="fuse", where="/mnt/here")
        with pytest.raises(NotSupported, match="fusermount3"):
            client.unmount("/mnt/here")

    def test_by_the_owner_itself_asks_its_driver(self, owner: sqlfs.Store) -> None:
        asked: list[str] = []
        owner.session("main", door="fuse", where="/mnt/here")
        owner.on_unmount_request(lambda: asked.append("once"))
        owner.unmount("/mnt/../mnt/here/")
        assert asked == ["once"]

    def test_of_a_clients_mount_ends_that_alone(
        self, owner: sqlfs.Store, client: sqlfs.Store
    ) -> None:
        session = client.session("main", door="fuse", where="/mnt/there")
        session.subscribe(lambda _: None)
        client.on_unmount_request(session.close)
        with sqlfs.open(owner.path) as third:
            third.unmount("/mnt/there")
        assert owner.mounts() == []
        assert owner.session("main").root

    def test_of_a_client_that_does_not_listen(
        self, owner: sqlfs.Store, client: sqlfs.Store
    ) -> None:
        client.session("main", door="fuse", where="/mnt/there")
        with pytest.raises(NotSupported, match="fusermount3"):
            owner.unmount("/mnt/there")

    def test_knows_a_mountpoint_by_its_links(self, mountpoint: Path, tmp_path: Path) -> None:
        link = tmp_path / "link"
        link.symlink_to(mountpoint)
        folder = tmp_path / "folder"
        folder.symlink_to(tmp_path)
        assert str(mountpoint) in spellings(str(link))
        assert str(mountpoint) in spellings(str(folder / "mnt"))
        assert str(tmp_path / "gone") in spellings(str(folder / "gone"))
