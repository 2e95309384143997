"""A life of a volume in the process that owns its file."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sqlfs.maintenance import check_file
from sqlfs.store import Image, room
from sqlfs.volume import VolumeFile
from sqlfs.volume.session import Session
from tests.model.session import ModelSession
from tests.power.backups import Backups
from tests.power.beside import Beside
from tests.power.history import History
from tests.power.lockstep import Lockstep
from tests.power.record import Record, Recorder, RecordingSyncer
from tests.power.tree_state import digest_of
from tests.power.vfs import recording

VOLUME = "main"


def open_session(file: VolumeFile, kek: bytes | None) -> Session:
    # A check of the file waits for other doors than this.
    return file.session(VOLUME, kek=kek, atime=False, door="check")


class CoreLife:
    """Nothing happens by itself: commits are asked for, and a seed gives the same record again."""

    def __init__(self, path: Path, kek: bytes | None) -> None:
        self._path = path
        self._kek = kek
        self.backups_finished = self.folded = 0

    def run(
        self,
        record: Record,
        model: ModelSession,
        chance: random.Random,
        history: History,
        steps: int,
    ) -> Record:
        self._recorder = Recorder(self._path, record)
        with recording(self._recorder) as self._vfs, _small_room(chance):
            session = self._open()
            both = Lockstep(model, session, chance, history, self._recorder.acknowledge)
            self._both = both
            self._chance, self._history = chance, history
            self._model = model
            self._backups = Backups(self._path.parent.parent, chance, self._look)
            try:
                both.run(
                    steps,
                    [
                        (both.clone, 2),
                        (both.allocate, 5),
                        (both.copy_range, 4),
                        (both.tmpfile, 3),
                        (both.link_nameless, 3),
                        (both.whiteout, 2),
                        (both.set_acl, 3),
                        (both.write_small, 8),
                        (self._fold, 2),
                        (self._sync, 1),
                        (self._commit, 3),
                        (self._checkpoint, 3),
                        (self._reclaim, 2),
                        (self._back_up, 6),
                        (self._trim_log, 1),
                        (self._shrink_log, 1),
                        (self._set_quota, 1),
                        (self._make_volume, 1),
                        (self._change_other, 3),
                        (self._visit, 1),
                        (self._reopen, 1),
                    ],
                )
                assert digest_of(model) == digest_of(self._session), "not in lockstep"
                self._backups.finish()
                self.backups_finished += self._backups.finished
            finally:
                self._file.close()
            both.acknowledge()
        return record

    def _open(self) -> Session:
        syncer = RecordingSyncer(self._recorder)
        self._file = VolumeFile.open(self._path, background=False, vfs=self._vfs, syncer=syncer)
        self._session = open_session(self._file, self._kek)
        self._beside = Beside(self._file, VOLUME)
        return self._session

    def _sync(self) -> None:
        self._session.sync()
        self._both.acknowledge()

    def _commit(self) -> None:
        self._file.commit()

    def _checkpoint(self) -> None:
        self._file.checkpoint()
        self._both.acknowledge()

    def _reclaim(self) -> None:
        self._file.reclaim()

    def _fold(self) -> None:
        self.folded += self._file.work.fold(1)

    def _trim_log(self) -> None:
        self._file.db.trim_log()
        self._both.acknowledge()

    def _shrink_log(self) -> None:
        self._file.db.shrink_log()
        self._both.acknowledge()

    def _set_quota(self) -> None:
        self._beside.set_quota(self._chance)
        self._remember_beside()
        self._both.acknowledge()

    def _make_volume(self) -> None:
        if self._beside.make_volume():
            self._remember_beside()
            self._both.acknowledge()

    def _change_other(self) -> None:
        self._beside.change(self._chance)
        self._remember_beside()

    def _remember_beside(self) -> None:
        self._history.beside = self._beside.state()
        self._both.remember()

    def _visit(self) -> None:
        """Another session comes and goes, and all is made durable as it goes."""
        open_session(self._file, self._kek).close()
        self._both.acknowledge()

    def _back_up(self) -> None:
        self._backups.step(self._image)

    def _image(self) -> tuple[Image, bytes]:
        return self._file.image(), digest_of(self._model)

    def _look(self, backup: Path) -> bytes:
        with VolumeFile.open(backup, background=False) as opened:
            assert opened.db.torn is None
            session = open_session(opened, self._kek)
            assert check_file(opened) == [], "a backup that is not sound"
            return digest_of(session)

    def _reopen(self) -> None:
        self._backups.finish()
        self._both.release_all()
        self._file.close()
        self._both.acknowledge()
        self._both.reopened(self._open())


@contextmanager
def _small_room(chance: random.Random) -> Iterator[None]:
    """A log has soon more room than it keeps, and the disk may be nearly full or not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "_LOG_RESERVE_PAGES", 8)
        patch.setattr(room, "_LOG_RESERVE_BYTES_MIN", 0)
        patch.setattr(room, "_LOG_WORKING_BYTES", 0)
        patch.setattr(room, "_FILE_RESERVE_PAGES", 4)
        patch.setattr(room, "_FILE_RESERVE_BYTES_MIN", 0)
        patch.setattr(room.Room, "is_nearly_full", lambda _: chance.random() < 0.3)
        yield
