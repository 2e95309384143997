"""Who is stopped, or is not who it seems, holds up nobody for long: also while a file changes its
owner."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import sqlfs
from sqlfs.errors import ConnectionLost, WouldBlock
from sqlfs.owner import lasting, succession
from sqlfs.volume import mounts as sessions
from tests.doors.test_takeover import kill
from tests.mount.mounting import Mount, wait_until
from tests.owner.processes import Program, eventually, running, serving, socket_of
from tests.owner.test_peers import NOBODY, listening_as


@contextmanager
def stopped(mount: Mount) -> Iterator[None]:
    mount.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        mount.signal(signal.SIGCONT)


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


class TestMount:
    def test_that_is_stopped_is_not_waited_for_again(self, first: Mount, second: Mount) -> None:
        (first / "file").write_text("before")
        assert (second / "file").read_text() == "before"
        with stopped(second):
            for number in range(20):
                (first / f"directory{number}").mkdir()
            (first / "file").write_text("after")
        wait_until(lambda: (second / "directory19").is_dir(), "the second has come back")
        wait_until(lambda: (second / "file").read_text() == "after", "and forgot what it knew")
        (second / "of the second").touch()
        assert (first / "of the second").exists()

    def test_that_is_stopped_holds_up_no_other_heir(
        self, first: Mount, second: Mount, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sessions, "CLIENTS_AWAITED_S_MAX", 1.0)
        (second / "file").write_text("of the second")
        with sqlfs.open(first.file) as store, store.mount() as files:
            files.sync()
            with stopped(second):
                kill(first)
                assert files.read_text("/file") == "of the second"
                files.write_text("/new", "of the heir")
                assert store.is_owner
                # It may have had it locked, and is waited for.
                with pytest.raises(WouldBlock):
                    files.open("/file", "r+b", lock=True)
                eventually(lambda: can_lock(files, "/file"))
            wait_until(lambda: (second / "new").exists(), "the second goes on")
            (second / "file").write_text("more")
            assert files.read_text("/file") == "more"
        second.unmount()


def can_lock(files: sqlfs.FileSystem, path: str) -> bool:
    try:
        files.open(path, "r+b", lock=True).close()
    except WouldBlock:
        return False
    return True


class TestHeir:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "volume.sqlite"
        with sqlfs.open(path, create=True) as store:
            store.create_volume("main")
        return path

    @pytest.fixture
    def server(self, path: Path) -> Iterator[Program]:
        with serving(path) as program:
            yield program

    def test_that_is_stopped_before_it_owns(self, server: Program, path: Path) -> None:
        with (
            running("tests.doors.following", path, "asking") as heir,
            sqlfs.open(path) as store,
            store.mount() as files,
        ):
            server.kill()
            eventually(lambda: state_of(heir.pid) == "T")
            files.write_text("/file", "gone on")
            assert store.is_owner
            heir.signal(signal.SIGCONT)
            heir.say("role")
            heir.expect("client")

    def test_that_is_stopped_when_it_owns(
        self, server: Program, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nobody can take the file from it; but nobody waits without end, or is locked out when
        it goes on."""
        monkeypatch.setattr(succession, "_HEAD_START_S", 5.0)
        for module in (succession, lasting):
            monkeypatch.setattr(module, "OWNER_AWAITED_S_MAX", 1.0)
        with (
            running("tests.doors.following", path, "owning") as heir,
            sqlfs.open(path) as store,
            store.mount() as files,
        ):
            server.kill()
            eventually(lambda: state_of(heir.pid) == "T")
            with pytest.raises(ConnectionLost):
                files.exists("/file")
            heir.signal(signal.SIGCONT)
            eventually(lambda: goes_on(files))
            assert store.owner_pid == heir.pid

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
    def test_is_no_process_of_another_user(
        self, server: Program, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(succession, "_HEAD_START_S", 0.5)
        with sqlfs.open(path) as store, store.mount() as files:
            files.write_text("/file", "kept")
            files.sync()
            place = socket_of(path)
            server.kill()
            place.unlink()
            with listening_as(NOBODY, place):
                assert files.read_text("/file") == "kept"
                assert store.is_owner


def goes_on(files: sqlfs.FileSystem) -> bool:
    try:
        return not files.exists("/file")
    except ConnectionLost:
        return False
