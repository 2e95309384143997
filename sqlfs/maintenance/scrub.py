"""Reading all content again and again, at leisure, so that damage is met before it is needed."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import Final

from sqlfs.errors import Corrupt, SqlfsError
from sqlfs.limits import MANIFEST_LEVEL_MAX, MIB
from sqlfs.maintenance.check import FINDINGS_MAX, domains, plain_volumes
from sqlfs.maintenance.findings import Finding
from sqlfs.maintenance.pace import Pace
from sqlfs.maintenance.places import Places
from sqlfs.volume import VolumeFile
from sqlfs.volume.opened import OpenVolume

log = logging.getLogger("sqlfs")

RATE_DEFAULT: Final = 32 * MIB  # bytes per second

# Shorter pauses are put off: the clock is not so fine (seconds).
_PAUSE_S_MIN: Final = 0.005
_ANY_LEVEL: Final = range(MANIFEST_LEVEL_MAX + 1)


@dataclass(frozen=True, slots=True)
class ScrubStatus:
    """``state``: "never" begun, "running", "stopped", "done", or "failed".  ``done`` of ``total``
    pieces were read, with ``bytes`` of content in all, at most ``rate`` per second (0: as fast as
    can be).  Times in ns, 0 for what is not yet."""

    state: str
    done: int
    total: int
    bytes: int
    rate: int
    started_ns: int
    ended_ns: int
    findings: list[Finding]


@dataclass(slots=True)
class _State:
    state: str = "never"
    done: int = 0
    total: int = 0
    bytes: int = 0
    rate: int = RATE_DEFAULT
    started_ns: int = 0
    ended_ns: int = 0
    findings: list[Finding] = field(default_factory=list)


class Scrub:
    """The scrub of one file: one thread while it runs.  It goes on where it was stopped, as long
    as the file's owner lives."""

    def __init__(self, file: VolumeFile) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._state = _State()  # guarded by _lock
        self._last: dict[int, int] = {}  # by key domain: the last piece that was read
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._owed = 0.0  # seconds of rest

    def start(self, rate: int) -> ScrubStatus:
        """Begin, or go on; change the rate if it runs already.  `rate` in bytes per second, 0 for
        no limit."""
        with self._lock:
            self._state.rate = rate
            if self._thread is None or not self._thread.is_alive():
                self._begin()
        return self.status()

    def _begin(self) -> None:
        if self._state.state in ("never", "done", "failed"):
            self._last.clear()
            self._state = _State(rate=self._state.rate, started_ns=time.time_ns())
        self._state.state, self._state.ended_ns = "running", 0
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="sqlfs-scrub", daemon=True)
        self._thread.start()

    def stop(self) -> ScrubStatus:
        """End it, to be gone on with; returns when it has ended."""
        self._stop.set()
        thread = self._thread
        if thread is not None:
            thread.join()
        return self.status()

    def wait(self, seconds: float) -> bool:
        """Whether it has ended within that time."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)
        return thread is None or not thread.is_alive()

    def status(self) -> ScrubStatus:
        with self._lock:
            state = self._state
            return ScrubStatus(
                state.state, state.done, state.total, state.bytes, state.rate, state.started_ns,
                state.ended_ns, list(state.findings),
            )  # fmt: skip

    # --- the thread ---

    def _run(self) -> None:
        try:
            with plain_volumes(self._file):
                every = [members for members, _ in domains(self._file)]
                with self._lock:
                    self._state.total = sum(_count(members[0]) for members in every)
                ended = all(self._domain(members) for members in every)
            end = "done" if ended else "stopped"
        except SqlfsError as error:
            log.error("scrub of %s: %s", self._file.path, error)
            end = "failed"
        except Exception:
            log.exception("the scrub of %s met a defect", self._file.path)
            end = "failed"
        with self._lock:
            self._state.state, self._state.ended_ns = end, time.time_ns()

    def _domain(self, members: list[OpenVolume]) -> bool:
        """Read the pieces of a key domain; False when it was stopped, or its volumes are locked."""
        damaged: dict[bytes, str] = {}
        one = members[0]
        while not self._stop.is_set() and one.sessions:
            began = time.monotonic()
            size = self._next(one, damaged)
            if size is None:
                ended = True
                break
            with self._lock:
                self._state.done += 1
                self._state.bytes += size
                rate = self._state.rate
            self._rest(size / rate - (time.monotonic() - began) if rate else 0.0)
        else:
            ended = False
        if damaged:
            self._tell(members, damaged)
        return ended

    def _next(self, one: OpenVolume, damaged: dict[bytes, str]) -> int | None:
        """Read one piece; how many bytes of content it is, None at the end."""
        with one.db.lock:
            rows = one.db.raw_rows("chunk_page", one.domain, self._last.get(one.domain, 0), 1)
            if not rows:
                return None
            id_, digest, _ = rows[0]
            self._last[one.domain] = id_
            try:
                piece = one.pool.examine(id_, digest, _ANY_LEVEL)
                return 0 if piece.level else piece.length
            except Corrupt as error:
                log.error("scrub of %s: %s", self._file.path, error)
                damaged[digest] = error.message
                return 0

    def _tell(self, members: list[OpenVolume], damaged: dict[bytes, str]) -> None:
        """Say which files, and which of their bytes, are damaged."""
        for finding in Places(members, damaged, Pace(self._file)).findings():
            log.error("scrub of %s: %s", self._file.path, finding.message)
            with self._lock:
                if len(self._state.findings) < FINDINGS_MAX:
                    self._state.findings.append(finding)

    def _rest(self, seconds: float) -> None:
        # Even without a limit, others get the store's lock in between.
        self._owed = max(self._owed + seconds, 0.0)
        if self._owed > _PAUSE_S_MIN:
            self._stop.wait(self._owed)
            self._owed = 0.0
        else:
            time.sleep(0)


def _count(volume: OpenVolume) -> int:
    row = volume.db.row("chunk_count", volume.domain)
    return int(row[0]) if row is not None else 0
