"""Who opens the file, whom the kernel has wait, and whose signals are whose."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sqlfs.store import OpenWatch, lease, watch
from tests.cli.running import DEADLINE_S, wait_until

ROOT = Path(__file__).parents[2]


class Watched:
    """A file and its watch, as an owner has them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(b"before")
        self.fd = os.open(path, os.O_RDWR)
        self.woken = threading.Event()
        self.watch = OpenWatch(path)
        self.watch.start(self.fd, self.woken.set)

    def close(self) -> None:
        os.close(self.fd)
        self.watch.close()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    watched = Watched(tmp_path / "file")
    yield watched
    watched.close()


def test_who_opens_the_file_waits_until_he_is_let_in(watched: Watched) -> None:
    assert watched.watch.hold()
    seen: list[bytes] = []
    reader = threading.Thread(target=lambda: seen.append(watched.path.read_bytes()))
    reader.start()
    wait_until(watched.watch.is_wanted, "somebody waits")
    assert watched.woken.wait(DEADLINE_S)
    assert watched.watch.may_change()
    os.pwrite(watched.fd, b"after!", 0)
    assert seen == []
    watched.watch.let_in()
    reader.join(DEADLINE_S)
    assert seen == [b"after!"]
    assert not watched.watch.is_wanted()


def test_who_does_not_want_to_wait_is_refused_and_let_in_later(watched: Watched) -> None:
    assert watched.watch.hold()
    with pytest.raises(BlockingIOError):
        os.open(watched.path, os.O_RDONLY | os.O_NONBLOCK)
    wait_until(watched.watch.is_wanted, "somebody waits")
    watched.watch.let_in()
    os.close(os.open(watched.path, os.O_RDONLY | os.O_NONBLOCK))


def test_while_somebody_has_it_open_it_may_not_change(watched: Watched) -> None:
    assert watched.watch.may_change()
    watched.watch.let_in()
    with watched.path.open("rb"):
        watched.woken.clear()
        assert not watched.watch.hold()
        assert not watched.watch.may_change()
    assert watched.woken.wait(DEADLINE_S), "the owner is told"
    assert watched.watch.may_change()


def test_somebody_who_is_not_waited_for_any_more_holds_up_nothing(watched: Watched) -> None:
    with watched.path.open("rb"):
        assert not watched.watch.may_change()
        watched.watch.forget()
        assert watched.watch.may_change()
        with watched.path.open("rb"):
            assert not watched.watch.may_change(), "but the next one does"
        assert watched.watch.may_change() is False, "whose close it was is not known"
    assert watched.watch.may_change()


def test_a_lease_that_the_kernel_took_away_is_lost(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert watched.watch.hold()
    monkeypatch.setattr(watched.watch._lease, "_break_s", 0.0)
    with pytest.raises(BlockingIOError):
        os.open(watched.path, os.O_RDONLY | os.O_NONBLOCK)
    assert not watched.watch.is_wanted()
    assert watched.watch.hold(), "and can be had again"


def test_a_signal_that_comes_when_the_file_is_closed_is_none(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "file")
    assert watched.watch.hold()
    os.close(watched.fd)
    try:
        assert not watched.watch.is_wanted()
        assert not watched.watch.wanted
    finally:
        watched.watch.close()


def test_without_leases_those_who_open_it_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "signal_descriptor", lambda: -1)
    watched = Watched(tmp_path / "file")
    try:
        assert not watched.watch.sees_openers
        assert not watched.watch.hold()
        with watched.path.open("rb"):
            assert not watched.watch.may_change()
        assert watched.watch.may_change()
    finally:
        watched.close()


OF_ANOTHER_USER = """
import os, sys, threading
from pathlib import Path
from sqlfs.store import OpenWatch

path = Path(sys.argv[1])
os.setgroups([]); os.setgid(65534); os.setuid(65534)
fd = os.open(path, os.O_RDWR)
watch = OpenWatch(path)
watch.start(fd, lambda: None)
print(watch.hold(), watch.sees_openers, watch.may_change())
with path.open("rb"):
    print(watch.may_change())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_of_another_users_file_no_lease_is_to_be_had() -> None:
    with tempfile.TemporaryDirectory(prefix="sqlfs-watch-") as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "file"
        path.touch()
        path.chmod(0o666)
        done = subprocess.run(
            [sys.executable, "-c", OF_ANOTHER_USER, path],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, timeout=DEADLINE_S,
        )  # fmt: skip
    assert (done.stdout, done.stderr) == ("False False True\nFalse\n", "")


@pytest.mark.parametrize("number", [signal.SIGIO, lease._SIGNAL])
def test_the_applications_handlers_are_its_own(watched: Watched, number: signal.Signals) -> None:
    calls: list[int] = []
    before = signal.signal(number, lambda number, _: calls.append(number))
    try:
        assert watched.watch.hold()
        with pytest.raises(BlockingIOError):
            os.open(watched.path, os.O_RDONLY | os.O_NONBLOCK)
        wait_until(watched.watch.is_wanted, "somebody waits")
        watched.watch.let_in()
        assert calls == []
        os.kill(os.getpid(), number)
        wait_until(lambda: calls == [number], "the handler is called")
    finally:
        signal.signal(number, before)
