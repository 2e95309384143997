"""Who is served, and that nobody who speaks garbage, hangs or dies harms the others."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

import sqlfs
from sqlfs.errors import ConnectionLost, InUse
from sqlfs.limits import IO_BYTES_MAX
from sqlfs.owner import rendezvous, server
from sqlfs.owner.frames import REQUEST_BYTES_MAX, pack, receive, send
from sqlfs.owner.rendezvous import Peer, publish, socket_name
from sqlfs.owner.verbs import (
    HANDLES_MAX,
    OUTSIDE,
    PINS_MAX,
    PROTOCOL,
    PROTOCOL_VERSION,
    READDIR_ENTRIES_MAX,
)
from tests.owner.processes import Program, as_user, eventually, serving, socket_of

NOBODY = 65534
SOMEBODY = 65533
REQUEST = ["main", None, False, "api", "", True, b"/", 0, 0]  # a session
HELLO = pack([PROTOCOL, PROTOCOL_VERSION])


def length(size: int) -> bytes:
    return struct.pack("<I", size)


@pytest.fixture
def raw(owner: sqlfs.Store) -> Iterator[socket.socket]:
    """A connection that has not said a word."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(str(socket_of(owner.path)))
        yield connection


@pytest.fixture
def greeted(raw: socket.socket) -> socket.socket:
    raw.sendall(HELLO)
    assert receive(raw)[:2] == [OUTSIDE, True]
    return raw


def ask(connection: socket.socket, number: int, verb: str, *args: object) -> object:
    send(connection, [number, verb, list(args), 0])
    match receive(connection):
        case [int(answered), True, result, _, _] if answered == number:
            return result
        case other:
            raise AssertionError(other)


class TestGarbage:
    @pytest.mark.parametrize(
        "sent",
        [
            b"GET / HTTP/1.1\r\n\r\n",
            random.Random(1).randbytes(100_000),
            length(2**32 - 1),
            length(3) + b"\x91" * 3,
            pack([]),
            pack(["another protocol", PROTOCOL_VERSION]),
            pack([PROTOCOL, "1"]),
            pack([PROTOCOL]),
        ],
        ids=range(8),
    )
    def test_instead_of_a_greeting_ends_the_connection(
        self, raw: socket.socket, client: sqlfs.Store, sent: bytes
    ) -> None:
        _end_of(raw, sent)
        assert [each.name for each in client.volumes()] == ["main"]

    @pytest.mark.parametrize(
        "sent",
        [
            random.Random(2).randbytes(100_000),
            length(REQUEST_BYTES_MAX + 1),
            pack(["volumes"]),
            pack([1, "volumes", []]),
            pack([0, "volumes", [], 0]),
            pack(["1", "volumes", [], 0]),
            pack([1, "volumes", [1], 0]),
            pack([1, "volumes", [], None]),
            pack([1, "slots", [7], 0]),
            pack([1, "slots", "main", 0]),
            pack([1, "_release", [], 0]),
            pack([1, "hang_up", [], 0]),
            pack([1, "getattr", [1], 0]),
            pack([1, "present", [[], [], True], 0]),
            pack([1, "__init__", [], 0]),
        ],
        ids=range(15),
    )
    def test_instead_of_a_request_ends_the_connection(
        self, greeted: socket.socket, client: sqlfs.Store, sent: bytes
    ) -> None:
        _end_of(greeted, sent)
        assert [each.name for each in client.volumes()] == ["main"]

    @pytest.mark.parametrize(
        ("verb", "args"),
        [
            ("read", [1, 0, IO_BYTES_MAX + 1]),
            ("readdir", [1, 0, READDIR_ENTRIES_MAX + 1]),
            ("open_session", [REQUEST]),
            ("join", [bytes(16)]),
            ("present", [[[1, 0, "", False]] * (HANDLES_MAX + 1), [], True]),
            ("present", [[], [1] * (PINS_MAX + 1), True]),
            ("subscribe", [None]),
        ],
    )
    def test_that_no_client_of_ours_would_ask_ends_the_session(
        self, greeted: socket.socket, owner: sqlfs.Store, verb: str, args: list[object]
    ) -> None:
        ask(greeted, 1, "open_session", REQUEST)
        assert len(owner.mounts()) == 1
        _end_of(greeted, pack([2, verb, args, 0]))
        eventually(lambda: owner.mounts() == [])

    def test_of_another_version_is_told_so(self, raw: socket.socket) -> None:
        send(raw, [PROTOCOL, PROTOCOL_VERSION + 1])
        match receive(raw):
            case [_, False, ["NotSupported", int(), str(message)]]:
                assert f"speaks {PROTOCOL_VERSION + 1}" in message
            case other:
                pytest.fail(f"{other}")

    def test_a_token_that_is_none_listens_to_nothing(self, greeted: socket.socket) -> None:
        send(greeted, [1, "listen", [b""], 0])
        assert receive(greeted)[1] is False


def _end_of(connection: socket.socket, sent: bytes) -> None:
    """Send bytes, and wait until the owner hangs up."""
    try:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
    except (BrokenPipeError, ConnectionResetError):
        return


class TestHanging:
    def test_a_client_that_reads_no_answer_holds_up_nobody(
        self, greeted: socket.socket, owner: sqlfs.Store, client: sqlfs.Store
    ) -> None:
        with owner.mount() as fs:
            fs.write_bytes("/big", bytes(IO_BYTES_MAX))
            opened = ask(greeted, 1, "open_session", REQUEST)
            assert isinstance(opened, list)
            node = fs.stat("/big").st_ino
            handle = ask(greeted, 2, "open", node, os.O_RDONLY)
            for number in range(3, 40):
                send(greeted, [number, "read", [handle, 0, IO_BYTES_MAX], 0])
            with client.mount() as theirs:
                assert theirs.read_bytes("/big") == bytes(IO_BYTES_MAX)
        owner.close()

    def test_half_a_request_holds_up_nobody(
        self, greeted: socket.socket, owner: sqlfs.Store, client: sqlfs.Store
    ) -> None:
        greeted.sendall(length(1000) + b"half")
        assert len(client.volumes()) == 1
        owner.close()

    def test_connections_are_bounded(
        self, owner: sqlfs.Store, client: sqlfs.Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(server, "CLIENTS_MAX", 3)
        first = client.session("main")
        second = client.session("main")
        with pytest.raises(InUse, match="3 connections"):
            client.session("main")
        second.close()
        eventually(lambda: len(owner.mounts()) == 1)
        eventually(lambda: _opens(client))
        assert first.getattr(first.root).is_dir


def _opens(client: sqlfs.Store) -> bool:
    try:
        client.session("main").close()
    except InUse:
        return False
    return True


class TestOtherUsers:
    @pytest.fixture
    def foreign(self, open_folder: Path) -> Iterator[tuple[Program, Path]]:
        path = open_folder / "volume.sqlite"
        with serving(path) as program:
            yield program, path

    def test_are_refused(self, foreign: tuple[Program, Path]) -> None:
        program, path = foreign
        said = as_user(NOBODY, lambda: sqlfs.open(path))
        assert said.startswith("PeerRefused: ")
        assert str(program.pid) in said
        with sqlfs.open(path) as store:
            assert store.owner_pid == program.pid

    def test_are_refused_whatever_they_send(self, foreign: tuple[Program, Path]) -> None:
        _, path = foreign
        place = socket_of(path)

        def speak() -> list[list[object]]:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(place))
                heard = [receive(connection)]
                try:
                    connection.sendall(HELLO + pack([1, "volumes", [], 0]))
                    heard.append(receive(connection))
                except (OSError, ConnectionLost):
                    pass
                return heard

        said = as_user(NOBODY, speak)
        assert said.startswith(f"[[{OUTSIDE}, False, ['PeerRefused',")
        assert "True" not in said

    def test_who_own_the_file_are_served(self, foreign: tuple[Program, Path]) -> None:
        program, path = foreign
        os.chown(path, NOBODY, -1)
        said = as_user(NOBODY, lambda: sqlfs.open(path).owner_pid)
        assert said == str(program.pid)
        assert as_user(SOMEBODY, lambda: sqlfs.open(path)).startswith("PeerRefused: ")

    def test_can_not_pose_as_the_owner(self, open_folder: Path) -> None:
        path = open_folder / "volume.sqlite"
        with sqlfs.open(path, create=True) as store:
            place = socket_of(path)
            store.create_volume("secret", "secret")
        with listening_as(NOBODY, place), sqlfs.open(path) as store:
            assert store.is_owner
            with sqlfs.open(path) as second:
                assert second.owner_pid == os.getpid()

    def test_can_not_keep_an_owner_from_listening(self, open_folder: Path) -> None:
        path = open_folder / "volume.sqlite"
        path.touch()
        status = path.stat()
        name = socket_name(status.st_dev, status.st_ino)
        runtime = open_folder / "runtime"
        runtime.mkdir()
        os.chown(runtime, SOMEBODY, -1)
        shared = Path("/run/sqlfs")
        with sqlfs.open(open_folder / "first.sqlite", create=True) as store:
            assert socket_of(store.path).parent == shared

        def listen() -> Path | None:
            os.environ["XDG_RUNTIME_DIR"] = str(runtime)
            published = publish(status.st_dev, status.st_ino)
            return published and published[1]

        with listening_as(NOBODY, shared / name):
            assert as_user(SOMEBODY, listen) == str(runtime / "sqlfs" / name)

    def test_can_not_have_prepared_the_folder(
        self, open_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = open_folder / "sqlfs"
        monkeypatch.setattr(rendezvous, "_SHARED_FOLDER", open_folder / "missing" / "sqlfs")
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(open_folder))
        folder.mkdir()
        os.chown(folder, NOBODY, -1)
        assert _published_in() != folder
        os.chown(folder, 0, -1)
        folder.chmod(0o777)
        assert _published_in() != folder
        folder.chmod(0o1777)
        assert _published_in() == folder
        (folder / socket_name(1, 2)).unlink()
        folder.rmdir()
        folder.symlink_to(open_folder)
        assert _published_in() != folder


def _published_in() -> Path | None:
    published = publish(1, 2)
    if published is None:
        return None
    listener, place = published
    listener.close()
    return place.parent


@contextlib.contextmanager
def listening_as(uid: int, place: Path) -> Iterator[None]:
    """While another user listens at `place`, and greets whoever comes."""
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setuid(uid)
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(place))
            listener.listen()
            place.chmod(0o777)
            os.write(told, b"x")
            while True:
                listener.accept()[0].sendall(pack([OUTSIDE, True, [0, 0, False]]))
        finally:
            os._exit(1)
    os.close(told)
    try:
        assert os.read(ready, 1) == b"x"
        yield
    finally:
        os.close(ready)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        place.unlink(missing_ok=True)


def test_a_peer_is_who_the_kernel_says(greeted: socket.socket) -> None:
    assert Peer.of(greeted) == Peer(os.getpid(), os.geteuid())
