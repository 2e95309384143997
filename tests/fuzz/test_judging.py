"""A judge who finds nothing must be able to find something."""

from __future__ import annotations

import os
from pathlib import Path

from sqlfs.volume import Session
from tests.format.volumes import VOLUME, Kind, create, put
from tests.fuzz.trees import absent, look, wrong


def _write(session: Session, name: bytes, data: bytes) -> None:
    handle = session.open(session.lookup(session.root, name).node, os.O_WRONLY)
    session.write(handle, 0, data)
    session.release(handle)


def test_other_bytes_and_missing_names_are_seen(tmp_path: Path) -> None:
    with create(tmp_path / "volume.sqlite", Kind()) as file:
        session = file.session(VOLUME)
        for name in (b"a", b"b"):
            node = put(session, name, (0, b"bytes"))
            session.setxattr(node, b"user.name", name)
        held = look(session)
        assert held.errors == []
        assert wrong(look(session), [held]) == []
        assert absent(look(session), held) == []
        _write(session, b"a", b"BYTES")
        assert len(wrong(look(session), [held])) == 1
        assert wrong(look(session), [held], changed=frozenset([b"/a"])) == []
        assert wrong(look(session), [held, look(session)]) == []
        session.removexattr(session.lookup(session.root, b"a").node, b"user.name")
        assert absent(look(session), held) == ["b'user.name' of b'/a'"]
        session.unlink(session.root, b"b")
        assert sorted(absent(look(session), held)) == ["b'/b'", "b'user.name' of b'/a'"]
        put(session, b"new", (0, b""))
        assert "b'/new' was never there" in wrong(look(session), [held])
