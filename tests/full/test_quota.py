"""What a volume may hold is limited, at every door, and ``df`` shows it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import sqlfs as api
from sqlfs.errors import QuotaExceeded
from sqlfs.limits import KIB, MIB
from sqlfs.types import AllocateMode, AttributeChanges, Caller, Quota
from sqlfs.volume import VolumeFile
from sqlfs.volume.direct import DirectSession
from tests.cli.running import sqlfs

CALLER = Caller(0, 0)


def make(session: DirectSession, name: bytes) -> int:
    _, handle = session.create(session.root, name, 0o600, os.O_RDWR, CALLER)
    return handle


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "volume.sqlite"
    with VolumeFile.open(path, create=True) as made:
        made.create_volume("main")
        with made.session("main"):
            made.set_quota("main", Quota(bytes=MIB, nodes=5))
    return path


GROWING: dict[str, Callable[[DirectSession, int, int], object]] = {
    "write": lambda session, _, handle: session.write(handle, MIB, b"x"),
    "truncate": lambda session, node, _: session.setattr(node, AttributeChanges(size=MIB + 1)),
    "allocate": lambda session, _, handle: session.allocate(handle, AllocateMode.GROW, 0, MIB + 1),
    "copy": lambda session, _, handle: session.copy_range(handle, 0, handle, MIB, KIB),
    "clone": lambda session, node, _: session.clone(node, session.root, b"twin", CALLER),
}


@pytest.mark.parametrize("grow", GROWING.values(), ids=GROWING)
def test_bytes_over_the_quota_are_refused(
    file: Path, grow: Callable[[DirectSession, int, int], object]
) -> None:
    with VolumeFile.open(file) as opened, opened.session("main") as session:
        handle = make(session, b"a")
        node = session.lookup(session.root, b"a").node
        session.write(handle, 0, bytes(MIB))
        with pytest.raises(QuotaExceeded) as refused:
            grow(session, node, handle)
        assert refused.value.errno == errno.EDQUOT
        assert session.getattr(node).size == MIB
        assert opened.usage("main").bytes == MIB
        session.write(handle, 0, b"over what is there")
        session.unlink(session.root, b"a")
        session.release(handle)
        make(session, b"b")
        assert opened.usage("main").bytes == 0


def test_nodes_over_the_quota_are_refused(file: Path) -> None:
    with VolumeFile.open(file) as opened, opened.session("main") as session:
        for number in range(4):
            session.mkdir(session.root, b"%d" % number, 0o700, CALLER)
        for make_one_more in (
            lambda: session.mkdir(session.root, b"x", 0o700, CALLER),
            lambda: session.symlink(session.root, b"x", b"target", CALLER),
            lambda: session.create(session.root, b"x", 0o600, os.O_RDWR, CALLER),
            lambda: session.tmpfile(session.root, 0o600, os.O_RDWR, CALLER),
        ):
            with pytest.raises(QuotaExceeded):
                make_one_more()
        session.rmdir(session.root, b"0")
        session.mkdir(session.root, b"x", 0o700, CALLER)


def test_df_shows_the_quota(file: Path) -> None:
    with VolumeFile.open(file) as opened, opened.session("main") as session:
        session.write(make(session, b"a"), 0, bytes(256 * KIB))
        status = session.statfs()
        assert status.blocks * status.block_size == MIB
        assert status.blocks_free * status.block_size == 768 * KIB
        assert (status.nodes, status.nodes_free) == (5, 3)


def test_a_lower_quota_takes_nothing_away(file: Path) -> None:
    with VolumeFile.open(file) as opened, opened.session("main") as session:
        session.write(handle := make(session, b"a"), 0, bytes(MIB))
        opened.set_quota("main", Quota(bytes=KIB))
        assert session.statfs().blocks_free == 0
        session.write(handle, 0, b"y")
        session.setattr(session.lookup(session.root, b"a").node, AttributeChanges(size=10 * KIB))
        with pytest.raises(QuotaExceeded):
            session.write(handle, 10 * KIB, b"z")


def test_more_bytes_than_can_be_counted_are_refused(tmp_path: Path) -> None:
    with VolumeFile.open(tmp_path / "volume.sqlite", create=True) as opened:
        opened.create_volume("main")
        session = opened.session("main")
        for name, size in ((b"a", 2**63 - 1), (b"b", 2**63 - 1), (b"c", 1)):
            make(session, name)
            session.setattr(session.lookup(session.root, name).node, AttributeChanges(size=size))
        make(session, b"d")
        with pytest.raises(QuotaExceeded):
            session.setattr(session.lookup(session.root, b"d").node, AttributeChanges(size=1))
        session.sync()
        assert opened.usage("main").bytes == 2**64 - 1


def test_the_command_shows_and_sets_it_beside_a_user(file: Path) -> None:
    with api.open(file) as store, store.mount("main") as files:
        assert sqlfs("quota", f"{file}:main", "2M", "--nodes", "none").code == 0
        shown = sqlfs("quota", file, "--json").json
        assert shown == {
            "volume": "main",
            "bytes": 0,
            "bytes_max": 2 * MIB,
            "nodes": 1,
            "nodes_max": None,
        }
        files.write_bytes("/a", bytes(2 * MIB))
        with pytest.raises(OSError, match="may hold") as refused:
            files.write_bytes("/b", b"more")
        assert refused.value.errno == errno.EDQUOT
    assert sqlfs("quota", file).lines == ["bytes: 2.0M of 2.0M", "nodes: 3 of none"]
    assert sqlfs("quota", file, "none").code == 0
    assert sqlfs("quota", file).lines[0] == "bytes: 2.0M of none"


@pytest.mark.parametrize("words", [["0"], ["much"], ["--nodes", "0"], ["--nodes", "1M"]])
def test_what_is_no_quota_is_refused(file: Path, words: list[str]) -> None:
    assert sqlfs("quota", file, *words).code == 2
