"""A client hears what others changed before their verb returns; who can't hear is let go."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import sqlfs
from sqlfs.owner import hearing
from sqlfs.owner.client import Client
from sqlfs.owner.frames import receive
from sqlfs.owner.hearing import Hearing
from sqlfs.owner.served import Served
from sqlfs.owner.verbs import CHANGES, CHANGES_MAX
from sqlfs.types import AttributeChanges, Caller, Change, ChangeKind
from sqlfs.volume import VolumeFile
from sqlfs.volume.session import Session
from tests.owner.processes import DEADLINE_S, eventually

CALLER = Caller(0, 0)


@pytest.fixture
def listening(client: sqlfs.Store) -> Session:
    return client.session("main")


@pytest.fixture(params=["owner", "client"])
def changing(request: pytest.FixtureRequest) -> Session:
    """Another door, which changes things."""
    store: sqlfs.Store = request.getfixturevalue(request.param)
    return store.session("main")


def test_changes_are_heard_before_the_verb_returns(listening: Session, changing: Session) -> None:
    heard: list[Change] = []
    listening.subscribe(heard.extend)
    made = changing.mkdir(changing.root, b"new", 0o755, CALLER)
    assert Change(ChangeKind.ENTRY, changing.root, b"new") in heard
    heard.clear()
    changing.setattr(made.node, AttributeChanges(mode=0o700))
    assert Change(ChangeKind.ATTRIBUTES, made.node) in heard


def test_what_changes_while_the_owner_answers_is_heard(
    listening: Session, changing: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = threading.Thread(
        target=changing.mkdir, args=(changing.root, b"new", 0o755, CALLER), daemon=True
    )
    answer = Client._reply

    def answer_late(self: Client, message: Sequence[object]) -> None:
        if self._hearing is not None and not change.ident:
            change.start()
            eventually(lambda: self._file.usage("main").nodes > 1)
        answer(self, message)

    monkeypatch.setattr(Client, "_reply", answer_late)
    heard: list[Change] = []
    listening.subscribe(heard.extend)
    change.join(DEADLINE_S)
    assert not change.is_alive()
    assert Change(ChangeKind.ENTRY, changing.root, b"new") in heard


def test_a_listener_may_ask_for_what_changed(listening: Session, changing: Session) -> None:
    modes: list[int] = []

    def look(changes: Sequence[Change]) -> None:
        modes.extend(listening.getattr(change.node).mode for change in changes)

    listening.subscribe(look)
    changing.setattr(changing.root, AttributeChanges(mode=0o700))
    assert modes == [0o40700]


def test_own_changes_are_not_heard(listening: Session) -> None:
    heard: list[Change] = []
    listening.subscribe(heard.extend)
    listening.mkdir(listening.root, b"new", 0o755, CALLER)
    assert heard == []


def test_who_does_not_hear_in_time_is_let_go(
    listening: Session, changing: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hearing, "HEARD_S_MAX", 0.05)
    go_on = threading.Event()
    heard: list[Change] = []

    def listen(changes: Sequence[Change]) -> None:
        go_on.wait(DEADLINE_S)
        heard.extend(changes)

    listening.subscribe(listen)
    try:
        changing.mkdir(changing.root, b"new", 0o755, CALLER)
        assert changing.lookup(changing.root, b"new").is_dir
    finally:
        go_on.set()
    # It comes back by itself, and forgets all that it may have missed.
    eventually(lambda: Change(ChangeKind.EVERYTHING, 0) in heard)
    eventually(lambda: not listening.catching_up())
    changing.mkdir(changing.root, b"another", 0o755, CALLER)
    assert Change(ChangeKind.ENTRY, changing.root, b"another") in heard


def test_it_is_known_who_has_not_forgotten_yet(
    listening: Session, changing: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they keep may be old until then."""
    monkeypatch.setattr(hearing, "HEARD_S_MAX", 0.05)
    go_on, is_told = threading.Event(), threading.Event()

    def listen(changes: Sequence[Change]) -> None:
        if Change(ChangeKind.EVERYTHING, 0) in changes:
            is_told.set()
            go_on.wait(DEADLINE_S)
        else:
            is_told.wait(DEADLINE_S)

    listening.subscribe(listen)
    assert not listening.catching_up()
    waiter = threading.Thread(target=listening.wait_caught_up)
    try:
        changing.mkdir(changing.root, b"new", 0o755, CALLER)  # not heard in time
        assert is_told.wait(DEADLINE_S)
        assert listening.lookup(listening.root, b"new").is_dir
        assert listening.catching_up()
        waiter.start()
        assert waiter.is_alive()
    finally:
        go_on.set()
    waiter.join(DEADLINE_S)
    assert not listening.catching_up()


def test_a_listener_that_fails_begins_anew(
    listening: Session, changing: Session, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Change] = []

    def fail_once(changes: Sequence[Change]) -> None:
        heard.extend(changes)
        if len(caplog.records) == 0:
            raise ZeroDivisionError

    listening.subscribe(fail_once)
    changing.mkdir(changing.root, b"new", 0o755, CALLER)
    eventually(lambda: Change(ChangeKind.EVERYTHING, 0) in heard)
    assert "ZeroDivisionError" in caplog.text
    assert listening.getattr(listening.root).is_dir


def test_a_session_that_closed_is_told_nothing(
    owner: sqlfs.Store, listening: Session, changing: Session
) -> None:
    heard: list[Change] = []
    listening.subscribe(heard.extend)
    listening.close()
    changing.mkdir(changing.root, b"new", 0o755, CALLER)
    assert heard == []
    eventually(lambda: len(owner.mounts()) == 1)


def test_a_verb_is_counted_with_its_change_whatever_runs_beside_it(tmp_path: Path) -> None:
    """Whoever is told of a change may see the owner die next: the number is in what is stored."""
    with VolumeFile.open(tmp_path / "volume.sqlite", create=True) as file:
        file.create_volume("main")
        session, other = file.session("main"), file.session("main")
        served = Served(session, 1, "api", "")
        root = session.root
        node = session.mknod(root, b"file", 0o100644, 0, CALLER).node
        counted: list[int] = []
        other.subscribe(lambda _: counted.append(session.applied))

        def mkdir(name: bytes) -> None:
            served.change(0, session.open, node, os.O_RDONLY)
            session.mkdir(root, name, 0o755, CALLER)

        served.change(7, mkdir, b"new")
        assert counted == [7]


class TestHearing:
    class Line:
        hung_up = False
        busy = False

        def hang_up(self) -> None:
            self.hung_up = True

        def is_busy(self) -> bool:
            return self.busy

    @pytest.fixture
    def ends(self) -> Iterator[tuple[socket.socket, socket.socket]]:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            yield ours, theirs

    def test_many_changes_come_in_parts(self, ends: tuple[socket.socket, socket.socket]) -> None:
        ours, theirs = ends
        told = [Change(ChangeKind.CONTENT, node) for node in range(2 * CHANGES_MAX + 1)]
        teller = begun(ours, self.Line())
        thread = threading.Thread(target=teller.tell, args=(told,))
        thread.start()
        heard: list[Change] = []
        while len(heard) < len(told):
            part, is_to_end = receive(theirs)
            assert is_to_end is False
            heard += CHANGES.decode(part)
            assert len(heard) <= CHANGES_MAX * 3
            teller.heard()
        thread.join(DEADLINE_S)
        assert heard == told
        assert not thread.is_alive()

    def test_the_end_wakes_who_tells(self, ends: tuple[socket.socket, socket.socket]) -> None:
        ours, theirs = ends
        line = self.Line()
        teller = begun(ours, line)
        thread = threading.Thread(target=teller.tell, args=([Change(ChangeKind.CONTENT, 1)],))
        thread.start()
        receive(theirs)
        teller.end()
        thread.join(DEADLINE_S)
        assert not thread.is_alive()
        assert line.hung_up

    def test_who_tells_others_itself_is_told_but_not_waited_for(
        self, ends: tuple[socket.socket, socket.socket]
    ) -> None:
        ours, theirs = ends
        line = self.Line()
        teller = begun(ours, line)
        thread = threading.Thread(target=teller.tell, args=([Change(ChangeKind.CONTENT, 1)],))
        thread.start()
        assert receive(theirs) == [[[ChangeKind.CONTENT, 1, b""]], False]
        teller.own_telling(True)
        thread.join(DEADLINE_S)
        assert not thread.is_alive()
        teller.tell([Change(ChangeKind.CONTENT, 2)])
        assert receive(theirs) == [[[ChangeKind.CONTENT, 2, b""]], False]
        assert not line.hung_up

    def test_who_is_held_up_here_is_not_taken_for_hung(
        self, ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ours, _ = ends
        line = self.Line()
        line.busy = True
        monkeypatch.setattr(hearing, "HEARD_S_MAX", 0.1)
        begun(ours, line).tell([Change(ChangeKind.CONTENT, 1)])
        assert not line.hung_up

    def test_who_was_not_waited_for_catches_up(
        self, ends: tuple[socket.socket, socket.socket]
    ) -> None:
        ours, theirs = ends
        teller = begun(ours, self.Line())
        teller.catch_up()
        teller.own_telling(True)
        teller.tell([Change(ChangeKind.CONTENT, 1)])
        teller.own_telling(False)
        caught_up = threading.Event()

        def catch_up() -> None:
            teller.catch_up()
            caught_up.set()

        thread = threading.Thread(target=catch_up)
        thread.start()
        receive(theirs)
        assert not caught_up.is_set()
        teller.heard()
        thread.join(DEADLINE_S)
        assert caught_up.is_set()

    def test_who_takes_nothing_holds_up_nobody_for_long(
        self, ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hearing, "HEARD_S_MAX", 0.05)
        ours, _ = ends
        line = self.Line()
        teller = begun(ours, line)
        teller.own_telling(True)
        while not line.hung_up:  # the socket's buffer is finite
            teller.tell([Change(ChangeKind.ENTRY, 1, b"x" * 255)] * CHANGES_MAX)

    def test_a_broken_line_ends_it(self, ends: tuple[socket.socket, socket.socket]) -> None:
        ours, theirs = ends
        theirs.close()
        line = self.Line()
        begun(ours, line).tell([Change(ChangeKind.CONTENT, 1)])
        assert line.hung_up

    def test_before_it_has_begun_tells_nothing(
        self, ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hearing, "HEARD_S_MAX", 0.05)
        ours, theirs = ends
        line = self.Line()
        Hearing(ours, line.is_busy, line.hang_up).tell([Change(ChangeKind.CONTENT, 1)])
        assert line.hung_up
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(1)


def begun(connection: socket.socket, line: TestHearing.Line) -> Hearing:
    teller = Hearing(connection, line.is_busy, line.hang_up)
    teller.begin()
    return teller
