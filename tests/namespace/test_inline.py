"""Content in a node's row."""

from __future__ import annotations

import os
import random
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from sqlfs.limits import INLINE_BYTES_MAX
from tests.format.volumes import ME, Kind, create, opened

TEXT = (b"a line of a text that goes on\n" * 80)[:INLINE_BYTES_MAX]
NOISE = random.Random(1).randbytes(INLINE_BYTES_MAX)


@pytest.mark.parametrize("kind", [Kind(), Kind(b"pass")])
@pytest.mark.parametrize(("content", "row_bytes_max"), [(TEXT, 300), (NOISE, 2400)])
def test_is_compressed_where_that_pays(
    tmp_path: Path, kind: Kind, content: bytes, row_bytes_max: int
) -> None:
    path = tmp_path / "volume.sqlite"
    with create(path, kind) as file:
        session = file.session("main", passphrase=kind.passphrase)
        made, handle = session.create(session.root, b"file", 0o600, os.O_WRONLY, ME)
        session.write(handle, 0, content)
        session.release(handle)
    with closing(apsw.Connection(str(path))) as connection:
        query = "SELECT length(sealed) FROM node WHERE id = ?"
        ((row_bytes,),) = connection.execute(query, (made.node,)).fetchall()
        assert connection.execute("SELECT count(*) FROM chunk").fetchall() == [(0,)]
    assert row_bytes <= row_bytes_max
    with opened(path, kind) as (_, session):
        handle = session.open(made.node, os.O_RDONLY)
        assert session.read(handle, 0, len(content) + 1) == content
