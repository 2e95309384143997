"""Bad blocks of a disk cost themselves."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from sqlfs.store.wreck.reading import read_at

BAD = range(40_000, 41_000)


def test_what_can_not_be_read_is_zeros(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = os.urandom(100_000)
    path = tmp_path / "file"
    path.write_bytes(content)
    pread = os.pread

    def failing(fd: int, length: int, offset: int) -> bytes:
        if offset < BAD.stop and BAD.start < offset + length:
            raise OSError(errno.EIO, "bad block")
        return pread(fd, length, offset)

    monkeypatch.setattr(os, "pread", failing)
    with path.open("rb") as file:
        found = read_at(file.fileno(), 65536, 20_000)
    same = [one == other for one, other in zip(found, content[20_000:85_536], strict=True)]
    assert not any(found[BAD.start - 20_000 : BAD.stop - 20_000])
    assert same.count(False) <= 3 * 4096
    assert all(same[: BAD.start - 20_000 - 2 * 4096])
