"""Lives of a store: seeded transactions, and the states that they pass through."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from blake3 import blake3

from sqlfs.store import Database, Image, open_file
from sqlfs.store.io import Syncer
from tests.power.backups import Backups
from tests.power.history import History
from tests.power.record import Record, Recorder, RecordingSyncer
from tests.power.vfs import recording

PIECES = 24
_DOMAIN = 1
_PARENTS = 3


def digest_of(database: Database) -> bytes:
    """What the tables of the workload hold."""
    rows = [database.row("reservation_get", "node"), database.row("counter_get", 1)]
    for parent in range(_PARENTS):
        rows += database.rows("edge_page", parent, -1, PIECES)
    for piece in range(PIECES):
        rows.append(database.row("chunk_load", _DOMAIN, _digest(piece)))
    return blake3(repr(rows).encode()).digest()


class StoreLife:
    """Random operations on the volume file at `path`, which `record` goes on with."""

    def __init__(
        self,
        path: Path,
        record: Record,
        chance: random.Random,
        history: History,
        syncer: Callable[[Recorder], Syncer] = RecordingSyncer,
    ) -> None:
        self.recorder = Recorder(path, record)
        self._syncer = syncer(self.recorder)
        self._path = path
        self._chance = chance
        self._history = history
        self._state = 0
        self.backups = Backups(path.parent.parent, chance, _look)
        self._database: Database | None = None

    def run(self, steps: int) -> None:
        with recording(self.recorder) as vfs:
            self._vfs = vfs
            self._open()
            try:
                for _ in range(steps):
                    self._step()
            finally:
                self._close()

    def _step(self) -> None:
        verbs: list[tuple[Callable[[], None], int]] = [
            (self._change, 12),
            (self._commit, 5),
            (self._sync, 4),
            (self._checkpoint, 3),
            (self._shrink_log, 1),
            (self._trim_log, 1),
            (self._back_up, 3),
            (self._reopen, 1),
        ]
        (verb,) = self._chance.choices([verb for verb, _ in verbs], [often for _, often in verbs])
        verb()

    # --- operations ---

    @property
    def database(self) -> Database:
        assert self._database is not None
        return self._database

    def _change(self) -> None:
        chance, database = self._chance, self.database
        with database.writing():
            database.write("reservation_set", "node", chance.randrange(1, 1 << 30))
            database.write("counter_set", 1, 1, chance.randbytes(chance.randrange(8, 64)))
            for piece in chance.sample(range(PIECES), chance.randint(1, 4)):
                self._drop(piece)
                if chance.random() < 0.6:
                    size = chance.choice((20, 700, database.page_size, 3 * database.page_size))
                    self._add(piece, chance.randbytes(size))
            if chance.random() < 0.2:
                database.give_back(2)

    def _add(self, piece: int, content: bytes) -> None:
        write = self.database.write
        write("chunk_insert", _DOMAIN, _digest(piece))
        write("chunk_data_insert", self.database.last_id(), 1, content)
        write("edge_insert", piece, piece % _PARENTS, _digest(piece)[:16], piece, 1, 1, b"name")

    def _drop(self, piece: int) -> None:
        found = self.database.row("chunk_find", _DOMAIN, _digest(piece))
        if found is not None:
            for statement in ("chunk_delete", "chunk_data_delete"):
                self.database.write(statement, found[0])
        self.database.write("edge_delete", piece)

    def _commit(self) -> None:
        self._state = self._history.add(digest_of(self.database))
        self.database.commit()

    def _sync(self) -> None:
        self._commit()
        self.database.sync()
        self.recorder.acknowledge(self._state)

    def _checkpoint(self) -> None:
        self._state = self._history.add(digest_of(self.database))
        self.database.checkpoint(mark=self._chance.random() < 0.7)
        self.recorder.acknowledge(self._state)

    def _shrink_log(self) -> None:
        self._state = self._history.add(digest_of(self.database))
        self.database.shrink_log()
        self.recorder.acknowledge(self._state)

    def _trim_log(self) -> None:
        self._state = self._history.add(digest_of(self.database))
        self.database.trim_log()
        self.recorder.acknowledge(self._state)

    def _back_up(self) -> None:
        self.backups.step(self._image)

    def _image(self) -> tuple[Image, bytes]:
        now = digest_of(self.database)
        self._state = self._history.add(now)
        return self.database.images.begin(), now

    def _reopen(self) -> None:
        self._close()
        self._open()

    def _open(self) -> None:
        self._database = open_file(self._path, vfs=self._vfs, syncer=self._syncer).database
        self._state = self._history.add(digest_of(self._database))

    def _close(self) -> None:
        self.backups.finish()
        self._state = self._history.add(digest_of(self.database))
        self.database.close()
        self.recorder.acknowledge(self._state)


def _digest(piece: int) -> bytes:
    return blake3(piece.to_bytes(4, "big")).digest()


def _look(backup: Path) -> bytes:
    database = open_file(backup).database
    try:
        assert database.torn is None
        return digest_of(database)
    finally:
        database.close()
