"""A VFS over SQLite's own "unix" that does everything for real and writes it to the record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import apsw
from apsw import URIFilename

from tests.power.record import Recorder

_numbers = count(1)


class RecordingFile(apsw.VFSFile):
    def __init__(
        self, recorder: Recorder, name: str | URIFilename | None, flags: list[int]
    ) -> None:
        assert name is not None, "a temporary file would not be in the record"
        path = Path(name.filename() if isinstance(name, URIFilename) else name)
        was_there = path.exists()
        super().__init__("unix", name, flags)
        self._recorder = recorder
        self._file = recorder.opened(path.name, is_new=not was_there)
        # SQLite syncs the folder of a log that it made with the log's first sync
        # (UNIXFILE_DIRSYNC in os_unix.c), below what a VFS sees.
        self._folder_too = not was_there

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        super().xWrite(data, offset)
        self._recorder.wrote(self._file, offset, bytes(data))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        super().xTruncate(newsize)
        self._recorder.truncated(self._file, newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        covers = self._recorder.here()
        super().xSync(flags)
        self._recorder.synced(self._file, covers)
        if self._folder_too:
            self._folder_too = False
            self._recorder.synced_folder(covers)


class RecordingVFS(apsw.VFS):
    def __init__(self, recorder: Recorder) -> None:
        self.name = f"recording-{next(_numbers)}"
        super().__init__(self.name, "unix")
        self._recorder = recorder

    def xOpen(self, name: str | URIFilename | None, flags: list[int]) -> RecordingFile:  # noqa: N802
        return RecordingFile(self._recorder, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        super().xDelete(filename, syncdir)
        self._recorder.unlinked(Path(filename).name, durable=syncdir)


@contextmanager
def recording(recorder: Recorder) -> Iterator[str]:
    """The name under which the VFS is registered meanwhile."""
    vfs = RecordingVFS(recorder)
    try:
        yield vfs.name
    finally:
        vfs.unregister()
