"""Names that are in no row yet are found, listed and counted, and their rows come out right."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from sqlfs.errors import NotEmpty, NotFound
from sqlfs.namespace import edges
from sqlfs.types import RenameFlag
from sqlfs.volume import Session, VolumeFile
from tests.format.volumes import ME, Kind, create, opened

KIND = Kind(b"pass")
STEPS = 600


def listing(session: Session, directory: int) -> dict[bytes, int]:
    return {entry.name: entry.attributes.node for entry in session.readdir(directory, 0, 1000)}


def rows(file: VolumeFile, table: str) -> int:
    ((count,),) = file.db.connection.execute(f"SELECT count(*) FROM {table}").fetchall()
    assert isinstance(count, int)
    return count


@pytest.mark.parametrize("at_once", [1, 3, 10_000])
@pytest.mark.parametrize("remembered", [5, 16_384])
def test_rows_are_as_if_each_change_were_written_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int, remembered: int
) -> None:
    monkeypatch.setattr(edges, "_CHANGED_MAX", at_once)
    monkeypatch.setattr(edges, "NAME_CACHE_ENTRIES", remembered)
    path, chance = tmp_path / "volume.sqlite", random.Random(at_once)
    with create(path, KIND) as file:
        session = file.session("main", passphrase=KIND.passphrase)
        directory = session.mkdir(session.root, b"names", 0o755, ME).node
        expected: dict[bytes, int] = {}
        for _ in range(STEPS):
            # Few names, so that the same ones come and go and change places between commits.
            name, other = (b"%d" % chance.randrange(8) for _ in range(2))
            if name not in expected:
                expected[name] = session.mknod(directory, name, 0o600, 0, ME).node
            elif chance.randrange(3) == 0:
                session.unlink(directory, name)
                del expected[name]
            elif other in expected and chance.randrange(2):
                session.rename(directory, name, directory, other, RenameFlag.EXCHANGE)
                expected[name], expected[other] = expected[other], expected[name]
            elif other != name:
                session.rename(directory, name, directory, other)
                expected[other] = expected.pop(name)
            for each in (name, other):
                if each in expected:
                    assert session.lookup(directory, each).node == expected[each]
            if chance.randrange(20) == 0:
                assert listing(session, directory) == expected
            if chance.randrange(40) == 0:
                file.commit()
    with opened(path, KIND) as (file, session):
        directory = session.lookup(session.root, b"names").node
        assert listing(session, directory) == expected
        assert rows(file, "edge") == 1 + len(expected)
        for name, node in expected.items():
            assert session.lookup(directory, name).node == node


def test_an_unwritten_name_is_in_the_way_of_rmdir_and_leads_upwards(tmp_path: Path) -> None:
    with create(tmp_path / "volume.sqlite", KIND) as file:
        session = file.session("main", passphrase=KIND.passphrase)
        outer = session.mkdir(session.root, b"outer", 0o755, ME).node
        inner = session.mkdir(outer, b"inner", 0o755, ME).node
        assert session.lookup(inner, b"..").node == outer
        with pytest.raises(NotEmpty):
            session.rmdir(session.root, b"outer")
        session.rename(outer, b"inner", session.root, b"moved")
        assert session.lookup(inner, b"..").node == session.root
        assert session.path_of(inner) == b"/moved"
        session.rmdir(session.root, b"outer")


def test_what_is_made_and_removed_between_two_commits_takes_no_row(tmp_path: Path) -> None:
    with create(tmp_path / "volume.sqlite", KIND) as file:
        session = file.session("main", passphrase=KIND.passphrase)
        written: list[str] = []
        file.db.connection.trace_v2(1, lambda event: written.append(event["sql"]))
        for number in range(20):
            session.mknod(session.root, b"%d" % number, 0o600, 0, ME)
            session.rename(session.root, b"%d" % number, session.root, b"new")
            session.unlink(session.root, b"new")
        file.commit()
        file.db.connection.trace_v2(0, None)
    assert not [sql for sql in written if sql.startswith("INSERT INTO edge")]


@pytest.mark.parametrize("pinned", [False, True])
def test_a_removed_node_is_gone_at_once_and_its_rows_with_the_commit(
    tmp_path: Path, pinned: bool
) -> None:
    with create(tmp_path / "volume.sqlite", KIND) as file:
        session = file.session("main", passphrase=KIND.passphrase)
        nodes = []
        # More than are removed at a time.
        for number in range(200):
            found, handle = session.create(session.root, b"%d" % number, 0o600, os.O_RDWR, ME)
            session.write(handle, 0, b"%d" % number * 1000)
            session.release(handle)
            nodes.append(found.node)
        session.sync()
        assert rows(file, "node") == 201
        before = session.statfs()
        for number, node in enumerate(nodes):
            if pinned:
                session.pin(node)
            session.unlink(session.root, b"%d" % number)
            if pinned:
                session.unpin(node)
            with pytest.raises(NotFound):
                session.getattr(node)
            status = session.statfs()
            assert status.nodes - status.nodes_free == 200 - number
        assert status.blocks - status.blocks_free < before.blocks - before.blocks_free
        session.sync()
        assert [rows(file, table) for table in ("node", "edge", "chunk", "chunk_data")] == [
            1,
            0,
            0,
            0,
        ]
