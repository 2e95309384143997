"""What the implementation writes, a reader made from the document alone reads."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from sqlfs.types import Attributes
from sqlfs.volume import Session
from tests.format import lineage, rows
from tests.format.conftest import Read
from tests.format.reader import Node, VolumeReader
from tests.format.unsealing import Damaged
from tests.format.volumes import (
    CHUNK,
    VOLUME,
    Kind,
    add_volume,
    attributes_by_path,
    change,
    create,
    fill,
    large_files,
    noise,
    put,
    small_files,
)
from tests.project.sources import modules


def attributes_of(node: Node) -> Attributes:
    length = len(node.inline or b"") if node.root is None else node.root.length
    return Attributes(
        node.id, node.mode, node.nlink, node.uid, node.gid, node.rdev, node.size,
        -(-length // 512), node.atime_ns, node.mtime_ns, node.ctime_ns, node.btime_ns,
    )  # fmt: skip


def assert_same(volume: VolumeReader, expected: dict[bytes, Attributes]) -> None:
    nodes, tree = volume.nodes(), volume.tree()
    assert {path: attributes_of(nodes[id_]) for path, id_ in tree.items()} == expected
    files = {node.node: node.size for node in expected.values() if node.is_file}
    assert volume.counters() == (len(nodes), sum(files.values()))
    assert set(nodes) == set(tree.values())


def node_at(volume: VolumeReader, path: bytes) -> Node:
    return volume.nodes()[volume.tree()[path]]


def test_the_reader_owes_nothing_to_the_implementation() -> None:
    names = {"unsealing", "lineage", "reader", "rows"}
    imports = {
        imported.partition(".")[0]
        for module in modules("tests/format")
        if module.name.rpartition(".")[2] in names
        for _, imported in module.imports()
    }
    assert "sqlite3" in imports
    assert "blake3" in imports
    assert "sqlfs" not in imports


def test_tree_and_content(path: Path, kind: Kind, read: Read) -> None:
    with create(path, kind) as file:
        session = file.session(VOLUME, passphrase=kind.passphrase)
        fill(session)
        expected = attributes_by_path(session)
    volume = read(path).volume(VOLUME, kind.passphrase)
    assert_same(volume, expected)

    files = {b"/" + name: content for name, content in small_files().items()}
    files[b"/folder/moved"] = files.pop(b"/one chunk")
    files[b"/folder/clone"] = files[b"/two levels"]
    files[b"/folder/hard link"] = files[b"/tiny"]
    files[b"/folder/short"] = b"x"
    files[b"/folder/" + b"n" * 255 + b"/\xff\xfe"] = b"t" * 4095
    for name, content in files.items():
        assert volume.content(node_at(volume, name)) == content, name
    for name, (size, chunks) in large_files().items():
        node = node_at(volume, b"/" + name)
        assert (node.size, dict(volume.pieces(node))) == (size, chunks)
    assert volume.xattrs(node_at(volume, b"/tiny").id) == {
        b"user.short": b"",
        b"user." + b"l" * 250: noise(65536),
    }


def test_content_that_was_changed_is_canonical_too(path: Path, kind: Kind, read: Read) -> None:
    with create(path, kind) as file:
        session = file.session(VOLUME, passphrase=kind.passphrase)
        fill(session)
        session.sync()
        change(session)
        expected = attributes_by_path(session)
    volume = read(path).volume(VOLUME, kind.passphrase)
    assert_same(volume, expected)

    before = small_files()
    overwritten = bytearray(before[b"two levels"])
    overwritten[70 * CHUNK + 1 : 70 * CHUNK + 8] = b"changed"
    overwritten[100 * CHUNK : 101 * CHUNK] = bytes(CHUNK)
    assert volume.content(node_at(volume, b"/two levels")) == overwritten
    assert volume.content(node_at(volume, b"/folder/clone")) == before[b"two levels"]
    for name, size in ((b"one manifest", 3 * CHUNK + 5), (b"sparse", 600), (b"two chunks", 400)):
        assert volume.content(node_at(volume, b"/" + name)) == before[name][:size]
    grown = node_at(volume, b"/chunk at least")
    first = before[b"chunk at least"].ljust(CHUNK, b"\0")
    assert (grown.size, dict(volume.pieces(grown))) == (2**40, {0: first})


def test_references_are_counted_exactly(path: Path, kind: Kind, read: Read) -> None:
    names = (VOLUME, "other")
    with create(path, kind) as file:
        add_volume(file, "other", kind)
        for name in names:
            session = file.session(name, passphrase=kind.passphrase)
            fill(session)
            session.sync()
            change(session)
    reader = read(path)
    volumes = [reader.volume(name, kind.passphrase) for name in names]
    assert any(list(volume.reclaimed()) for volume in volumes), "the queue is in the counts"
    for domain in {volume.domain for volume in volumes}:
        members = [volume for volume in volumes if volume.domain == domain]
        assert reader.reference_counts(domain) == counted(members)
    has_plain_domain = {volume.domain for volume in volumes} == {0}
    assert has_plain_domain == (kind.passphrase is None)


def counted(members: list[VolumeReader]) -> Counter[bytes]:
    """References of several volumes to the pieces of one domain.  A manifest that two of them
    share is stored once, so what lies beneath it is counted once."""
    roots = Counter[bytes]()
    entries: dict[bytes, Counter[bytes]] = {}
    for volume in members:
        named = [node.root for node in volume.nodes().values() if node.root is not None]
        waiting = [*named, *volume.reclaimed()]
        roots.update(at.digest for at in waiting)
        while waiting:
            at = waiting.pop()
            if at.level and at.digest not in entries:
                below = [entry for entry in volume.manifest(at) if entry is not None]
                entries[at.digest] = Counter(entry.digest for entry in below)
                waiting += below
    return sum(entries.values(), start=roots)


def test_ids_are_below_what_is_reserved(path: Path, kind: Kind, read: Read) -> None:
    with create(path, kind) as file:
        session = file.session(VOLUME, passphrase=kind.passphrase)
        fill(session)
        session.unlink(session.root, b"two levels")
    reader = read(path)
    reserved = dict(reader.rows("SELECT kind, next FROM reservation"))
    assert set(reserved) == {"node", "edge", "volume", "mount", "reclaim", "delta"}
    for table in ("node", "edge", "volume", "reclaim"):
        ((highest,),) = reader.rows(f"SELECT max(id) FROM {table}")
        assert 0 < highest < reserved[table]


def test_a_later_access_time_has_a_row_of_its_own(path: Path, kind: Kind, read: Read) -> None:
    with create(path, kind) as file:
        session = file.session(VOLUME, passphrase=kind.passphrase)
        node = put(session, b"read", (0, b"x"))
        session.sync()
        handle = session.open(node, os.O_RDONLY)
        session.read(handle, 0, 1)
        expected = session.getattr(node)
    reader = read(path)
    assert reader.rows("SELECT node FROM atime") == [(node,)]
    volume = reader.volume(VOLUME, kind.passphrase)
    assert attributes_of(volume.nodes()[node]) == expected


def unlink_while_open(session: Session) -> int:
    node = put(session, b"orphan", (0, noise(9000)))
    session.open(node, os.O_RDONLY)
    session.unlink(session.root, b"orphan")
    return node


def test_a_file_in_use(path: Path, kind: Kind, read: Read) -> None:
    copy = path.with_name("copy.sqlite")
    with create(path, kind) as file:
        session = file.session(
            VOLUME, passphrase=kind.passphrase, door="fuse", where="/mnt/\udcff", pid=77
        )
        orphan = unlink_while_open(session)
        file.checkpoint()
        copy.write_bytes(path.read_bytes())
    volume = read(copy).volume(VOLUME, kind.passphrase)
    assert volume.orphans() == {orphan}
    assert volume.nodes()[orphan].nlink == 0
    assert volume.content(volume.nodes()[orphan]) == noise(9000)
    assert list(volume.mounts()) == [(77, False, False, 0, b"fuse", b"/mnt/\xff")]
    record = lineage.in_file(copy.read_bytes())
    assert (record.marked, record.inode) == (1, path.stat().st_ino)

    closed = read(path).volume(VOLUME, kind.passphrase)
    assert list(closed.mounts()) == []
    assert closed.orphans() == set()
    assert lineage.in_file(path.read_bytes()).marked == 0


def test_the_record_has_the_digest_of_the_rows(path: Path, kind: Kind) -> None:
    with create(path, kind) as file:
        fill(file.session(VOLUME, passphrase=kind.passphrase))
        file.checkpoint()
        assert lineage.in_file(path.read_bytes()).digest == rows.digest_of(path)
        change(file.session(VOLUME, passphrase=kind.passphrase))
    assert lineage.in_file(path.read_bytes()).digest == rows.digest_of(path)


def test_a_log_names_the_states_it_begins_and_ends_in(path: Path, kind: Kind) -> None:
    log = path.with_name(path.name + "-wal")
    with create(path, kind) as file:
        file.checkpoint()
        before = lineage.in_file(path.read_bytes())
        put(file.session(VOLUME, passphrase=kind.passphrase), b"a", (0, noise(5000)))
        file.commit()
        assert lineage.in_file(path.read_bytes()) == before, "only a checkpoint changes the file"
        first, *_ = lineage.in_log(log.read_bytes()).values()
        assert (first.base, first.generation) == (before.id, before.generation + 1)
        file.checkpoint()
        *_, last, tail = lineage.in_log(log.read_bytes()).values()
        assert lineage.in_file(path.read_bytes()) == last
        assert last.generation > first.generation
        assert (tail.id, tail.synced) == (last.id, last.generation)


@pytest.mark.parametrize("passphrase", [b"", b"pas", b"pass\n"])
def test_another_passphrase_opens_nothing(path: Path, read: Read, passphrase: bytes) -> None:
    create(path, Kind(b"pass")).close()
    reader = read(path)
    with pytest.raises(Damaged, match="wrong passphrase"):
        reader.volume(VOLUME, passphrase)
    assert reader.volume(VOLUME, b"pass").counters() == (1, 0)
