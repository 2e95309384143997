"""Databases inside a mount: what they lock, map, sync and recover comes out right."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.mount.mounting import DEADLINE_S, NOBODY, Mount, is_running, run, wait_until
from tests.mount.test_programs import AS_ROOT, again, begin, end_sound

ACCOUNTS = 50
WRITERS = 3
TRANSFERS = 40

# Moves money between accounts; what an account has lost another has won, for every reader.
TRANSFER = """
import random, sqlite3, sys
database = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
for _ in range(int(sys.argv[3])):
    database.execute("begin immediate")
    of, to = random.sample(range(int(sys.argv[2])), 2)
    database.execute("update account set balance = balance - 1 where id = ?", (of,))
    database.execute("update account set balance = balance + 1 where id = ?", (to,))
    database.execute("insert into transfer (of, \\"to\\") values (?, ?)", (of, to))
    database.execute("commit")
    (total,) = database.execute("select sum(balance) from account").fetchone()
    assert total == 0, total
"""


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_sqlite(mount: Mount, journal: str) -> None:
    begin(mount)
    path = mount / "inner.sqlite"
    with sqlite3.connect(path) as database:
        assert database.execute(f"pragma journal_mode={journal}").fetchone() == (journal,)
        database.execute("pragma mmap_size=10000000")
        database.execute("create table t (id integer primary key, value blob)")
        for _ in range(10):
            database.executemany("insert into t(value) values (?)", [(os.urandom(500),)] * 200)
            database.commit()
        database.execute("delete from t where id % 3 = 0")
    database.close()
    again(mount)
    database = sqlite3.connect(path)
    assert database.execute("pragma integrity_check").fetchone() == ("ok",)
    assert database.execute("select count(*) from t").fetchone() == (1334,)
    database.close()
    end_sound(mount)


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
def test_sqlite_with_several_processes(mount: Mount, encrypted: bool) -> None:
    """WAL mode: a shared map of one file, record locks, and syncs of two others."""
    begin(mount, encrypted=encrypted)
    path = mount / "inner.sqlite"
    database = sqlite3.connect(path)
    assert database.execute("pragma journal_mode=wal").fetchone() == ("wal",)
    database.execute("create table account (id integer primary key, balance integer)")
    database.execute('create table transfer (id integer primary key, of int, "to" int)')
    database.executemany("insert into account values (?, 0)", [(n,) for n in range(ACCOUNTS)])
    database.commit()
    command = [sys.executable, "-c", TRANSFER, str(path), str(ACCOUNTS), str(TRANSFERS)]
    writers = [subprocess.Popen(command) for _ in range(WRITERS)]
    try:
        assert [writer.wait() for writer in writers] == [0] * WRITERS
    finally:
        for writer in writers:
            writer.kill()
    database.close()
    again(mount)
    database = sqlite3.connect(path)
    assert database.execute("pragma integrity_check").fetchone() == ("ok",)
    count = database.execute("select count(*) from transfer").fetchone()
    assert count == (WRITERS * TRANSFERS,)
    assert database.execute(BALANCE_ERRORS).fetchone() == (0,)
    database.close()
    end_sound(mount)


BALANCE_ERRORS: Final = """
select count(*) from account where balance <>
    (select count(*) from transfer where "to" = account.id) -
    (select count(*) from transfer where of = account.id)
"""


def _postgres_folder() -> Path | None:
    """Where PostgreSQL's programs are: Debian keeps those of a server off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    path = found[-1] if found else shutil.which("initdb")
    return Path(path).parent if path else None


POSTGRES = _postgres_folder()

PGBENCH_IS_CONSISTENT: Final = """
select (select sum(abalance) from pgbench_accounts) = (select sum(bbalance) from pgbench_branches)
   and (select sum(bbalance) from pgbench_branches) = (select sum(tbalance) from pgbench_tellers)
"""


class Cluster:
    """A PostgreSQL cluster: its data, its log and its socket are in one folder of a mount."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700)
        self.log = directory / "log"
        data = {"PGHOST": str(directory), "PGDATA": str(directory / "data")}
        self._settings: dict[str, Any] = {
            "cwd": directory,
            "env": {**os.environ, **data, "PGUSER": "postgres", "PGDATABASE": "postgres"},
        }
        if AS_ROOT:  # as whom the server refuses to run
            os.chown(directory, NOBODY, NOBODY)
            self._settings |= {"user": NOBODY, "group": NOBODY, "extra_groups": []}

    def run(self, program: str, *arguments: str | Path) -> str:
        assert POSTGRES
        return run(POSTGRES / program, *arguments, **self._settings).stdout.strip()

    def ask(self, question: str) -> str:
        return self.run("psql", "-X", "-A", "-t", "-c", question)

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """A server that answers.  What of it still runs afterwards is killed, all at once."""
        assert POSTGRES
        settings = ("-c", "listen_addresses=", "-c", f"unix_socket_directories={self.log.parent}")
        with self.log.open("ab") as log:
            server = subprocess.Popen(
                [POSTGRES / "postgres", *settings], stdout=log, stderr=log, **self._settings
            )
        try:
            wait_until(lambda: self._answers(server), "the server answers")
            yield server
        finally:
            if server.poll() is None:
                processes = [server.pid, *_children(server.pid)]
                for process in processes:
                    os.kill(process, signal.SIGKILL)
                server.wait()
                wait_until(lambda: not any(map(is_running, processes)), "the server is gone")

    def _answers(self, server: subprocess.Popen[bytes]) -> bool:
        assert POSTGRES
        assert server.poll() is None, self.log.read_text()[-3000:]
        ready = subprocess.run([POSTGRES / "pg_isready", "-q"], **self._settings)
        return ready.returncode == 0


def _children(parent: int) -> list[int]:
    path = Path(f"/proc/{parent}/task/{parent}/children")
    return [int(word) for word in path.read_text().split()]


def _stop(server: subprocess.Popen[bytes]) -> None:
    """In good order, without waiting for clients."""
    server.send_signal(signal.SIGINT)
    assert server.wait(DEADLINE_S) == 0


@pytest.mark.skipif(POSTGRES is None, reason="PostgreSQL is not installed")
def test_postgresql(reachable: Mount) -> None:
    begin(reachable)
    cluster = Cluster(reachable / "cluster")
    cluster.run("initdb", "--data-checksums", "--auth=trust", "--username=postgres")
    with cluster.running() as server:
        cluster.run("pgbench", "--quiet", "--initialize", "--scale=1")
        cluster.run("pgbench", "--client=4", "--transactions=50")
        assert cluster.ask("select count(*) from pgbench_history") == "200"
        _stop(server)
    again(reachable)
    with cluster.running():
        cluster.run("pgbench", "--client=4", "--transactions=50", "--no-vacuum")
        cluster.ask("create table kept as select generate_series(1, 1000)")
        # Here it is killed.
    with cluster.running() as server:
        assert "redo done" in cluster.log.read_text()
        assert cluster.ask("select count(*) from kept") == "1000"
        assert cluster.ask("select count(*) from pgbench_history") == "400"
        assert cluster.ask(PGBENCH_IS_CONSISTENT) == "t"
        cluster.ask("vacuum full pgbench_accounts")
        cluster.ask("reindex table pgbench_history")
        _stop(server)
    again(reachable)
    assert "Bad checksums:  0" in cluster.run("pg_checksums", "--check")
    end_sound(reachable)
