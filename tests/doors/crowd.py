"""Six doors to one volume, each with a worker: two mounts, two programs, two loops of commands."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final

import sqlfs
from sqlfs.owner import rendezvous
from sqlfs.owner.rendezvous import Peer
from tests.doors.accounts import Account, broken
from tests.doors.ways import ApiWay, deaths_of
from tests.doors.worker import COUNT, LEDGER, MARKED, OWN, SHARED, STAMPS, TOKEN, Published
from tests.fuse_mounts import detach
from tests.mount.mounting import Mount, wait_until
from tests.owner.processes import Program

KINDS: Final = ("mount", "mount", "api", "api", "commands", "commands")
FULL: Final = [number for number, kind in enumerate(KINDS) if kind != "commands"]


def prepare(file: Path) -> None:
    """What workers begin with."""
    with sqlfs.open(file, create=True) as store:
        store.create_volume("main")
        with store.mount() as files:
            for directory in (STAMPS, OWN, COUNT, SHARED):
                files.mkdir(directory)
            for number in FULL:
                files.mkdir(f"{OWN}/{number}")
                files.write_bytes(f"{OWN}/{number}.log", b"")
            for path in (f"{COUNT}/0", f"{SHARED}/{TOKEN}", LEDGER, MARKED):
                files.write_bytes(path, b"")


def owner_of(file: Path) -> int | None:
    """The process that owns the file, if it listens."""
    status = file.stat()
    for place in rendezvous.places(status.st_dev, status.st_ino, status.st_uid):
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(os.fsencode(place))
                return Peer.of(connection).pid
            except OSError:
                continue
    return None


class Crowd:
    def __init__(self, mounts: list[Mount], seed: int) -> None:
        self._mounts = mounts
        self._file = mounts[0].file
        self._place = self._file.parent
        self._seed = seed
        self._chance = Random(seed)
        self._workers: dict[int, Program] = {}
        self.kills: list[str] = []

    @contextmanager
    def working(self) -> Iterator[None]:
        """All are at work; afterwards all have ended, and nothing is mounted."""
        prepare(self._file)
        for mount in self._mounts:
            deaths_of(mount.directory).touch()
            mount.expected = "the process that owned"
            mount.start()
        published = Published(self._published)
        for number in range(len(KINDS)):
            published.tell(number, 0)
        try:
            for number in range(len(KINDS)):
                self._begin(number)
            yield
            for number, worker in self._workers.items():
                assert worker.end() == 0, f"worker {number}"
            for mount in self._mounts:
                mount.unmount()
        finally:
            for worker in self._workers.values():
                worker.close()

    @property
    def _published(self) -> Path:
        return self._place / "published"

    def _log(self, number: int) -> Path:
        return self._place / f"{number}.log"

    def _begin(self, number: int) -> None:
        kind = KINDS[number]
        place = self._mounts[number].directory if kind == "mount" else self._file
        self._workers[number] = Program(
            "tests.doors.worker", kind, place, str(number), self._log(number), self._published,
            str(self._seed + number),
        )  # fmt: skip

    # --- progress ---

    def done(self) -> list[int]:
        """How many steps each has done."""
        logs = map(self._log, range(len(KINDS)))
        return [log.read_bytes().count(b'["done"') if log.exists() else 0 for log in logs]

    def wait_progress(self, steps: int, of_each: int) -> None:
        """Until so many more steps are done, and so many more of each."""
        before = self.done()

        def is_enough() -> bool:
            more = [now - then for now, then in zip(self.done(), before, strict=True)]
            return sum(more) >= steps and min(more) >= of_each

        wait_until(is_enough, f"each goes on after {self.kills}: {before}, {self.done()}")

    # --- kills ---

    def kill_owner(self) -> None:
        """SIGKILL, at any moment; what was killed begins anew."""
        owner = None
        while owner is None:
            owner = owner_of(self._file)
        self._kill(owner)

    def kill_mounts(self) -> None:
        """Both, so that somebody else must follow."""
        for mount in self._mounts:
            self._kill(mount.pid, again=False)
        for mount in self._mounts:
            self._mount_again(mount)

    def _kill(self, pid: int, *, again: bool = True) -> None:
        mount = next((each for each in self._mounts if each.pid == pid), None)
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return  # a command that was done
        worker = next((n for n, each in self._workers.items() if each.pid == pid), None)
        if mount is not None:
            self.kills.append(f"mount {self._mounts.index(mount)}")
            if again:
                self._mount_again(mount)
        elif worker is not None:
            self.kills.append(f"worker {worker}")
            self._workers[worker].close()
            self._begin(worker)
        else:
            self.kills.append("command")

    def _mount_again(self, mount: Mount) -> None:
        mount.wait_ended()
        with deaths_of(mount.directory).open("ab") as deaths:
            deaths.write(b"x")
        detach(mount.directory)
        mount.start()

    # --- the reckoning ---

    def broken(self) -> list[str]:
        """One line for each promise that was broken."""
        accounts = [Account.read(number, self._log(number)) for number in range(len(KINDS))]
        way = ApiWay(self._file)
        try:
            return broken(way, accounts, FULL)
        finally:
            way.close()

    def maybes(self) -> int:
        accounts = [Account.read(number, self._log(number)) for number in range(len(KINDS))]
        return sum(len(each.maybe) for each in accounts)
