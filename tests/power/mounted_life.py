"""A life of a volume under a mount: acknowledged is what fsync(2) and its kin returned from."""

from __future__ import annotations

import os
import pickle
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlfs import owner
from tests.fuse_mounts import detach, mounts_below
from tests.model.session import ModelSession
from tests.mount.mounting import DEADLINE_S, ENVIRONMENT, run, wait_until
from tests.power.history import History
from tests.power.lockstep import Lockstep
from tests.power.os_session import OsSession
from tests.power.record import Record

_COMPLAINT = re.compile(r"WARNING|ERROR|CRITICAL|Traceback")


class MountedLife:
    """Mounts the file at `path` below `place`, in a process of its own."""

    def __init__(self, path: Path, place: Path) -> None:
        self._path = path
        self._directory = place / "mounted"
        self._record = place / "record"
        self._said = place / "said"
        self._directory.mkdir()

    def run(
        self,
        record: Record,
        model: ModelSession,
        chance: random.Random,
        history: History,
        steps: int,
    ) -> Record:
        self._record.write_bytes(pickle.dumps(record))
        with self._mounted() as process:
            both = Lockstep(
                model,
                OsSession(self._directory).as_session(),
                chance,
                history,
                lambda state: _acknowledge(process, state),
                kernel_splits_writes=True,
            )
            both.run(steps, [(lambda: self._checkpoint(both), 3)])
            both.release_all()
            run("umount", self._directory)
            assert process.wait(DEADLINE_S) == 0, self._said.read_text()
        said = self._said.read_text()
        assert not _COMPLAINT.search(said), said
        recorded = pickle.loads(self._record.read_bytes())
        assert isinstance(recorded, Record)
        return recorded

    def _checkpoint(self, both: Lockstep) -> None:
        with owner.open(self._path) as client:
            assert not client.is_owner
            client.checkpoint()
        both.acknowledge()

    @contextmanager
    def _mounted(self) -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, "-m", "tests.power.mounted"]
        with self._said.open("w") as said:
            process = subprocess.Popen(
                [*command, self._path, self._directory, self._record],
                env=ENVIRONMENT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
        try:
            with process:
                wait_until(lambda: self._is_mounted(process), "the mount is there")
                yield process
        finally:
            for mountpoint in mounts_below(self._directory):
                detach(mountpoint)
            process.kill()
            process.wait()

    def _is_mounted(self, process: subprocess.Popen[str]) -> bool:
        assert process.poll() is None, self._said.read_text()
        return bool(mounts_below(self._directory)) and os.path.ismount(self._directory)


def _acknowledge(process: subprocess.Popen[str], state: int) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{state}\n")
    process.stdin.flush()
    assert process.stdout.readline() == "DONE\n"
