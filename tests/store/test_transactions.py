"""Two writers wait for a checkpoint's sync: the second joins what the first began."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from sqlfs.store import create_file, open_file
from sqlfs.store.io import DataSyncer


class HeldSyncer(DataSyncer):
    """Holds each sync of the main file until it is let go."""

    def __init__(self) -> None:
        self.reached, self.go = threading.Event(), threading.Event()

    def sync(self, fd: int, which: str) -> None:
        if which == "main":
            self.reached.set()
            assert self.go.wait(30)
        os.fdatasync(fd)

    def sync_folder(self, folder: Path) -> None:
        pass


def test_writers_that_waited_for_a_checkpoint_join_one_transaction(tmp_path: Path) -> None:
    path, syncer = tmp_path / "v.sqlite", HeldSyncer()
    create_file(path)
    database = open_file(path, syncer=syncer).database
    with database.writing():
        pass
    errors: list[BaseException] = []

    def write() -> None:
        try:
            with database.writing():
                pass
        except BaseException as error:
            errors.append(error)

    checkpoint = threading.Thread(target=database.checkpoint, kwargs={"mark": True})
    checkpoint.start()
    assert syncer.reached.wait(30)
    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    deadline = time.monotonic() + 30
    while len(database._settled._waiters) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    syncer.go.set()
    for thread in (checkpoint, *writers):
        thread.join(30)
    assert errors == []
    database.close()
