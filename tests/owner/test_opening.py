"""Who becomes the owner, who a client, and who is refused."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

import sqlfs
from sqlfs.errors import (
    InUse,
    Invalid,
    NoPassphraseNeeded,
    NoSuchVolume,
    NotAVolumeFile,
    NotFound,
    PassphraseNeeded,
    ReadOnly,
    VolumeExists,
    WrongPassphrase,
)
from sqlfs.owner import channel
from tests.contract.implementations import QUICK_KDF
from tests.owner.processes import Program, running, serving, socket_of


def test_the_first_owns_and_the_second_is_its_client(path: Path) -> None:
    with serving(path) as server, sqlfs.open(path) as store:
        assert not store.is_owner
        assert store.owner_pid == server.pid
        store.create_volume("main")
        with store.mount() as fs:
            fs.write_bytes("/a", b"bytes")
            (mounted,) = store.mounts()
            assert (mounted.pid, mounted.door, mounted.volume) == (os.getpid(), "api", "main")
        assert server.end() == 0
    with sqlfs.open(path) as store, store.mount() as fs:
        assert store.is_owner
        assert fs.read_bytes("/a") == b"bytes"


def test_the_same_process_becomes_a_client_of_itself(
    owner: sqlfs.Store, client: sqlfs.Store
) -> None:
    assert client.owner_pid == os.getpid()
    with owner.mount() as ours, client.mount() as theirs:
        ours.write_bytes("/a", b"of the owner")
        assert theirs.read_bytes("/a") == b"of the owner"
        theirs.write_bytes("/b", b"of the client")
        assert ours.read_bytes("/b") == b"of the client"


def test_every_name_of_the_file_leads_to_its_owner(owner: sqlfs.Store, tmp_path: Path) -> None:
    path, link = owner.path, tmp_path / "link"
    link.symlink_to(path)
    for name in (str(link), os.fsencode(link), link, os.path.relpath(path)):
        with sqlfs.open(name) as store:
            assert not store.is_owner


def test_a_file_that_was_copied_has_an_owner_of_its_own(owner: sqlfs.Store, tmp_path: Path) -> None:
    owner.checkpoint()
    copy = tmp_path / "copy.sqlite"
    shutil.copy(owner.path, copy)
    with sqlfs.open(copy) as store:
        assert store.is_owner
        assert store.notices


def test_all_who_race_end_up_with_one_owner(tmp_path: Path) -> None:
    with ExitStack() as stack:
        racers = [stack.enter_context(running("tests.owner.contend")) for _ in range(3)]
        for round_ in range(6):
            for racer in racers:
                racer.say(str(tmp_path / f"{round_}.sqlite"))
            became = sorted(racer.hear() for racer in racers)
            assert became == ["client", "client", "owner"]
            for racer in racers:
                racer.say("close")
            assert {racer.hear() for racer in racers} == {"closed"}


def test_the_next_owner_removes_what_a_dead_one_left(server: Program, path: Path) -> None:
    with sqlfs.open(path) as store, store.mount() as fs:
        fs.write_bytes("/a", b"kept")
        fs.sync()
    left = socket_of(path)
    server.kill()
    assert left.is_socket()
    with sqlfs.open(path) as store:
        assert store.is_owner
        with sqlfs.open(path) as second, second.mount() as fs:
            assert not second.is_owner
            assert fs.read_bytes("/a") == b"kept"
    assert not left.exists()


@pytest.mark.usefixtures("impatient")
class TestOutOfReach:
    def test_an_owner_without_a_socket_is_named(self, server: Program, path: Path) -> None:
        socket_of(path).unlink()
        with pytest.raises(InUse, match=str(server.pid)):
            sqlfs.open(path)

    def test_copying_the_file_in_its_owner_changes_nothing(
        self, path: Path, tmp_path: Path
    ) -> None:
        # Closing any descriptor of the file drops the POSIX locks of the process.
        with sqlfs.open(path, create=True) as store:
            store.create_volume("main")
            shutil.copy(path, tmp_path / "copy")
            socket_of(path).unlink()
            with running("tests.owner.contend") as other:
                other.say(str(path))
                said = other.hear()
        assert said.startswith("InUse: ")
        assert str(os.getpid()) in said

    def test_an_owner_that_is_stopped_hangs_nobody(
        self, server: Program, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(channel, "GREETING_S_MAX", 0.1)
        server.signal(signal.SIGSTOP)
        with pytest.raises(InUse, match=str(server.pid)):
            sqlfs.open(path)
        server.signal(signal.SIGCONT)

    def test_a_lease_that_is_never_given_up_hangs_nobody(self, path: Path) -> None:
        """The kernel would have whoever opens the file wait for 45 s, and then let him."""
        with sqlfs.open(path, create=True) as store:
            store.create_volume("main")
        with running("tests.owner.lease", path), pytest.raises(InUse, match="in use"):
            sqlfs.open(path)

    def test_a_socket_of_another_file_is_passed_by(
        self, owner: sqlfs.Store, tmp_path: Path
    ) -> None:
        other = tmp_path / "other.sqlite"
        with sqlfs.open(other, create=True):
            pass
        status = other.stat()
        wrong = socket_of(owner.path).with_name(f"{status.st_dev:x}-{status.st_ino:x}.sock")
        wrong.symlink_to(socket_of(owner.path))
        with sqlfs.open(other) as store:
            assert store.is_owner
            assert socket_of(other) == wrong
            assert not wrong.is_symlink()

    def test_what_listens_and_says_nothing_is_no_owner(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(channel, "GREETING_S_MAX", 0.1)
        with sqlfs.open(path, create=True) as store:
            place = socket_of(store.path)
        with socket.socket(socket.AF_UNIX) as mute:
            mute.bind(str(place))
            mute.listen()
            with sqlfs.open(path) as store:
                assert store.is_owner


class TestRefused:
    def test_what_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(NotFound):
            sqlfs.open(tmp_path / "missing.sqlite")

    def test_what_is_no_volume_file(self, tmp_path: Path) -> None:
        (tmp_path / "text").write_text("no database" * 1000)
        for path in (tmp_path, tmp_path / "text"):
            with pytest.raises(NotAVolumeFile):
                sqlfs.open(path)

    def test_writing_to_a_file_that_is_owned_read_only(self, path: Path) -> None:
        with sqlfs.open(path, create=True) as store:
            store.create_volume("main")
        with sqlfs.open(path, read_only=True):
            with pytest.raises(ReadOnly, match=str(os.getpid())):
                sqlfs.open(path)
            with sqlfs.open(path, read_only=True) as store, store.mount() as fs:
                assert fs.read_only
                assert fs.listdir() == []

    @pytest.mark.parametrize("door", ["owner", "client"])
    def test_a_read_only_store_writes_nothing(self, path: Path, door: str) -> None:
        with ExitStack() as stack:
            first = stack.enter_context(sqlfs.open(path, create=True))
            first.create_volume("main")
            if door == "owner":
                first.close()
            store = stack.enter_context(sqlfs.open(path, read_only=True))
            assert store.is_owner == (door == "owner")
            with store.mount() as fs, pytest.raises(ReadOnly):
                fs.write_bytes("/a", b"")
            with pytest.raises(ReadOnly):
                store.create_volume("second")


class TestVolumes:
    @pytest.fixture(params=["owner", "client"])
    def store(self, request: pytest.FixtureRequest) -> sqlfs.Store:
        store: sqlfs.Store = request.getfixturevalue(request.param)
        return store

    def test_have_settings(self, store: sqlfs.Store) -> None:
        made = store.create_volume("second", chunk_size=8192, dedupe=False)
        assert (made.name, made.chunk_size, made.dedupe) == ("second", 8192, False)
        assert [each.name for each in store.volumes()] == ["main", "second"]
        with pytest.raises(VolumeExists):
            store.create_volume("second")
        with pytest.raises(Invalid, match="main, second"):
            store.mount()
        with pytest.raises(NoSuchVolume):
            store.mount("third")

    def test_open_with_their_passphrase_only(self, store: sqlfs.Store) -> None:
        store.create_volume("secret", "pässword", kdf=QUICK_KDF)
        for passphrase in ("pässword", "pässword".encode()):
            with store.mount("secret", passphrase) as fs:
                assert fs.volume.encrypted
        with pytest.raises(WrongPassphrase):
            store.mount("secret", "another")
        with pytest.raises(PassphraseNeeded):
            store.mount("secret")
        with pytest.raises(NoPassphraseNeeded):
            store.mount("main", "pässword")

    def test_are_counted_while_they_are_unlocked(self, store: sqlfs.Store) -> None:
        with store.mount() as fs:
            fs.write_bytes("/a", b"12345")
            assert store.usage("main").bytes == 5
        assert store.info()["volumes"] == 1
        store.checkpoint()

    def test_need_a_name_when_there_is_none(self, path: Path) -> None:
        with sqlfs.open(path, create=True) as store, pytest.raises(NoSuchVolume):
            store.mount()


def test_an_owner_that_is_not_closed_is_closed_when_its_program_ends(tmp_path: Path) -> None:
    path = tmp_path / "left.sqlite"
    with running("tests.owner.contend") as program:
        program.say(str(path))
        program.expect("owner")
        place = socket_of(path)
        assert program.end() == 0
    assert not place.exists()
    assert not path.with_name("left.sqlite-wal").exists()
