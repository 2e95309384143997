"""A life of a volume in the process that owns its file."""

from __future__ import annotations

import random
from pathlib import Path

from sqlfs.maintenance import check_file
from sqlfs.store import Image
from sqlfs.volume import VolumeFile
from sqlfs.volume.session import Session
from tests.model.session import ModelSession
from tests.power.backups import Backups
from tests.power.history import History
from tests.power.lockstep import Lockstep
from tests.power.record import Record, Recorder, RecordingSyncer
from tests.power.tree_state import digest_of
from tests.power.vfs import recording

VOLUME = "main"


def open_session(file: VolumeFile, kek: bytes | None) -> Session:
    return file.session(VOLUME, kek=kek, atime=False)


class CoreLife:
    """Nothing happens by itself: commits are asked for, and a seed gives the same record again."""

    def __init__(self, path: Path, kek: bytes | None) -> None:
        self._path = path
        self._kek = kek
        self.backups_finished = 0

    def run(
        self,
        record: Record,
        model: ModelSession,
        chance: random.Random,
        history: History,
        steps: int,
    ) -> Record:
        self._recorder = Recorder(self._path, record)
        with recording(self._recorder) as self._vfs:
            session = self._open()
            both = Lockstep(model, session, chance, history, self._recorder.acknowledge)
            self._both = both
            self._model = model
            self._backups = Backups(self._path.parent.parent, chance, self._look)
            try:
                both.run(
                    steps,
                    [
                        (both.clone, 2),
                        (both.punch, 4),
                        (both.copy_range, 4),
                        (both.tmpfile, 3),
                        (both.link_nameless, 3),
                        (both.whiteout, 2),
                        (both.set_acl, 3),
                        (self._sync, 1),
                        (self._commit, 3),
                        (self._checkpoint, 3),
                        (self._reclaim, 2),
                        (self._back_up, 6),
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
