"""What a check finds is repaired: it finds nothing then, and all that was intact is as it was."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from sqlfs.errors import Corrupt, SqlfsError
from sqlfs.maintenance import Repair, check_file, repair_file
from sqlfs.types import VolumeInfo
from sqlfs.volume import VolumeFile
from tests.format.tampering import flip, spoil, stored, tamper, thin_out
from tests.format.test_checks import STRUCTURE, UNDER_SEAL, Case, ids, named
from tests.format.volumes import CHUNK, ME, VOLUME, Kind, create, noise, opened, put, row_of
from tests.fuzz.trees import Tree, look, wrong

__all__ = ["ids"]  # a fixture

PASSPHRASE = b"pass"
SLOTS = 2 * 128 + 3


def unlock(volumes: Sequence[VolumeInfo]) -> dict[str, bytes]:
    return {volume.name: PASSPHRASE for volume in volumes if volume.encrypted}


def repaired(path: Path) -> Repair:
    """What was done, when what was planned is that and changed nothing, and what is told to remain
    is what is found."""
    before = path.read_bytes()
    planned = repair_file(path, unlock, deep=True)
    assert path.read_bytes() == before
    done = repair_file(path, unlock, deep=True, apply=True)
    assert [each.check for each in done.done] == [each.check for each in planned.done]
    assert found_in(path) == {(each.check, each.what) for each in done.remaining}
    return done


def found_in(path: Path) -> set[tuple[str, str]]:
    """What a check finds with everything unlocked, in a copy that says nothing of itself."""
    copy = path.with_name("copy.sqlite")
    copy.write_bytes(path.read_bytes())
    with VolumeFile.open(copy, background=False) as file:
        assert file.notices == []
        for info in file.volumes():
            try:
                file.session(info.name, passphrase=unlock([info]).get(info.name))
            except SqlfsError:
                assert stored(path, "SELECT 1 FROM key_slot WHERE volume = :v", v=info.id) == []
        return {(each.check, each.what) for each in check_file(file, deep=True)}


def look_at(path: Path) -> Tree:
    """What the first volume holds."""
    copy = path.with_name("copy.sqlite")
    copy.write_bytes(path.read_bytes())
    with VolumeFile.open(copy, background=False, read_only=True) as file:
        return look(file.session(VOLUME, passphrase=PASSPHRASE))


def lost(tree: Tree) -> Tree:
    """What is in lost+found, by what it may have been."""
    found = Tree()
    for path, seen in tree.seen.items():
        if path.startswith(b"/lost+found/#"):
            found.seen[path.removeprefix(b"/lost+found/")] = seen
    return found


@pytest.mark.parametrize("violated", STRUCTURE + UNDER_SEAL, ids=named(STRUCTURE + UNDER_SEAL))
def test_every_violation(path: Path, ids: dict[str, int], violated: Case) -> None:
    sound = look_at(path)
    tamper(path, violated.statement, **ids)
    done = repaired(path)
    assert done.found
    if violated.statement.startswith("DELETE FROM key_slot"):
        assert done.locked == [VOLUME]  # for good
        return
    now = look_at(path)
    gone = sound.seen.keys() - now.seen.keys()
    lost_content = "DELETE FROM chunk_data", "DELETE FROM delta", "UPDATE delta"
    if violated.statement.startswith(lost_content):
        assert {each.check for each in done.remaining} == {"content"}
    else:
        assert done.remaining == []
        assert now.errors == []
    named_now = {path for path in now.seen if not path.startswith(b"/lost+found")}
    assert wrong(Tree({path: now.seen[path] for path in named_now}), [sound]) == []
    found = {name.partition(b"/")[2] for name in lost(now).seen}
    by_node = {b"#%d" % ids[name]: b"/" + name.encode() for name in ("file", "outer")}
    for name, seen in lost(now).seen.items():
        was = by_node[name.partition(b"/")[0]] + name[len(name.partition(b"/")[0]) :]
        assert seen == sound.seen[was]
        gone.discard(was)
    assert gone <= {b"/outer/inner"}, found  # its node was deleted


def files(path: Path, kind: Kind) -> dict[bytes, bytes]:
    """What there is by path, as far as it can be read."""
    found = {}
    with opened(path, kind) as (_, session):
        waiting = [(b"", session.root)]
        while waiting:
            above, directory = waiting.pop()
            for entry in session.readdir(directory, 0, 1000):
                if entry.attributes.is_dir:
                    waiting.append((above + b"/" + entry.name, entry.attributes.node))
                else:
                    handle = session.open(entry.attributes.node, os.O_RDONLY)
                    found[above + b"/" + entry.name] = session.read(handle, 0, 2**24)
    return found


def slots() -> bytes:
    return b"".join(number.to_bytes(4, "big") + noise(CHUNK - 4) for number in range(SLOTS))


@pytest.fixture
def tree(path: Path, kind: Kind) -> dict[bytes, int]:
    """Nodes by name: a file of manifests, small ones and a folder of them."""
    with create(path, kind) as file:
        session = file.session(VOLUME, passphrase=kind.passphrase)
        made = {b"large": put(session, b"large", (0, slots())), b"one": put(session, b"one",
                (0, noise(3000))), b"two": put(session, b"two", (0, noise(3001)))}  # fmt: skip
        session.setxattr(made[b"one"], b"user.name", b"value")
        made[b"folder"] = session.mkdir(session.root, b"folder", 0o755, ME).node
        session.rename(session.root, b"two", made[b"folder"], b"two")
        session.mkdir(made[b"folder"], b"empty", 0o755, ME)
        session.link(made[b"one"], made[b"folder"], b"one")
    return made


def test_a_sound_file_is_left_alone(path: Path, kind: Kind, tree: dict[bytes, int]) -> None:
    before = path.read_bytes()
    done = repair_file(path, unlock, deep=True, apply=True)
    assert (done.found, done.done, done.remaining) == ([], [], [])
    assert path.read_bytes() == before
    assert tree
    assert kind


def test_a_damaged_node_leaves_its_content(path: Path, kind: Kind, tree: dict[bytes, int]) -> None:
    flip(path, "node", "id", tree[b"large"])
    done = repaired(path)
    assert done.remaining == []
    assert any(each.what == "'/large' of volume 'main'" for each in done.done)
    found = files(path, kind)
    (name,) = (name for name in found if name.startswith(b"/lost+found/content-"))
    assert found.pop(name) == slots()
    assert found == {
        b"/one": noise(3000), b"/folder/one": noise(3000), b"/folder/two": noise(3001),
    }  # fmt: skip


@pytest.mark.parametrize("damage", ["flipped", "missing"])
def test_a_damaged_directory_keeps_what_is_in_it(
    path: Path, kind: Kind, tree: dict[bytes, int], damage: str
) -> None:
    before = files(path, kind)
    if damage == "flipped":
        flip(path, "node", "id", tree[b"folder"])
    else:
        tamper(path, "DELETE FROM node WHERE id = :node", node=tree[b"folder"])
    assert repaired(path).remaining == []
    assert files(path, kind) == before


def test_a_lost_directory_and_its_lost_name(path: Path, kind: Kind, tree: dict[bytes, int]) -> None:
    node = tree[b"folder"]
    for statement in ("DELETE FROM node WHERE id = :node", "DELETE FROM edge WHERE child = :node"):
        tamper(path, statement, node=node)
    assert repaired(path).remaining == []
    assert files(path, kind) == {
        b"/large": slots(), b"/one": noise(3000), b"/lost+found/#%d/two" % node: noise(3001),
        b"/lost+found/#%d/one" % node: noise(3000),
    }  # fmt: skip


def test_a_damaged_name(path: Path, kind: Kind, tree: dict[bytes, int]) -> None:
    flip(path, "edge", "child", tree[b"two"])
    (edge,) = stored(path, "SELECT id FROM edge WHERE child = :node", node=tree[b"two"])
    assert repaired(path).remaining == []
    found = files(path, kind)
    assert found[b"/folder/damaged-name-%d" % edge["id"]] == noise(3001)
    assert len(found) == 4


def test_a_name_in_a_file_is_no_way(path: Path, kind: Kind, tree: dict[bytes, int]) -> None:
    with opened(path, kind) as (file, session):
        volume = session.opened_volume
        with file.db.writing():
            edge = volume.edges.find(tree[b"folder"], b"two")
            assert edge is not None
            volume.edges.delete(edge)
            volume.edges.insert(tree[b"one"], b"two", tree[b"two"])
        assert {each.check for each in check_file(file)} == {"edge_place"}
    assert repaired(path).remaining == []
    assert files(path, kind)[b"/lost+found/#%d" % tree[b"two"]] == noise(3001)


def test_names_whose_tags_changed_places(path: Path, kind: Kind, tree: dict[bytes, int]) -> None:
    before = files(path, kind)
    one, two = stored(path, "SELECT id, tag FROM edge WHERE parent = :p LIMIT 2", p=tree[b"folder"])
    for id_, tag in ((one["id"], bytes(16)), (two["id"], one["tag"]), (one["id"], two["tag"])):
        tamper(path, "UPDATE edge SET tag = :tag WHERE id = :id", tag=tag, id=id_)
    assert repaired(path).remaining == []
    assert files(path, kind) == before


def test_pieces_whose_data_changed_places(path: Path, kind: Kind, tree: dict[bytes, int]) -> None:
    before = files(path, kind)
    rows = stored(path, "SELECT id, sealed FROM chunk_data ORDER BY id")
    for one, other in ((0, 200), (200, 0), (50, 51), (51, 50), (-1, 3), (3, -1)):
        tamper(path, "UPDATE chunk_data SET sealed = :s WHERE id = :i",
               s=rows[one]["sealed"], i=rows[other]["id"])  # fmt: skip
    assert repaired(path).remaining == []
    assert files(path, kind) == before
    assert tree


def test_damaged_content_is_kept_and_named(path: Path, kind: Kind, tree: dict[bytes, int]) -> None:
    damaged = slots()[200 * CHUNK : 201 * CHUNK]
    flip(path, "chunk_data", "id", row_of(path, kind, damaged))
    done = repair_file(path, unlock, deep=True, apply=True)
    assert done.done == []  # the digest leaves content out
    (finding,) = done.remaining
    assert (
        f"'/large' of volume 'main', bytes {200 * CHUNK} to {201 * CHUNK - 1}: " in finding.message
    )
    with opened(path, kind) as (_, session):
        handle = session.open(tree[b"large"], os.O_RDONLY)
        assert session.read(handle, 0, 200 * CHUNK) == slots()[: 200 * CHUNK]
        with pytest.raises(Corrupt, match="large"):
            session.read(handle, 200 * CHUNK, 1)


def test_a_damaged_manifest_leaves_its_pieces(
    path: Path, kind: Kind, tree: dict[bytes, int]
) -> None:
    # The root is stored last of a tree, after those beneath it.
    rows = stored(path, "SELECT id, length(sealed) AS bytes FROM chunk_data ORDER BY id")
    manifests = [row["id"] for row in rows if row["bytes"] > CHUNK + 100 or row["bytes"] < 400]
    flip(path, "chunk_data", "id", manifests[-1])
    done = repaired(path)
    assert {each.check for each in done.remaining} == {"content"}
    kept = [each for each in done.done if "lost+found/content-" in each.message]
    assert len(kept) == 3
    assert tree
    with opened(path, kind) as (_, session):
        folder = session.lookup(session.root, b"lost+found").node
        found = []
        for entry in session.readdir(folder, 0, 10):
            handle = session.open(entry.attributes.node, os.O_RDONLY)
            found.append(session.read(handle, 0, 2**24))
    width = 128 * CHUNK
    assert sorted(found) == [slots()[at : at + width] for at in range(0, SLOTS * CHUNK, width)]


def test_counts_of_every_kind(path: Path, kind: Kind, tree: dict[bytes, int]) -> None:
    before = files(path, kind)
    tamper(path, "UPDATE chunk SET refs = 9 WHERE id % 3 = 0")
    spoil(path, "UPDATE chunk SET refs = 'many' WHERE id % 3 = 1", "DELETE FROM counter",
          "UPDATE reservation SET next = 'next'")  # fmt: skip
    assert repaired(path).remaining == []
    assert files(path, kind) == before
    assert tree


def test_what_is_left_over_of_deleted_files_goes(
    path: Path, kind: Kind, tree: dict[bytes, int]
) -> None:
    with opened(path, kind) as (_, session):
        put(session, b"gone", (0, noise(9 * CHUNK)))
        session.sync()
        session.unlink(session.root, b"gone")
    before = files(path, kind)
    tamper(path, "UPDATE reclaim SET sealed = zeroblob(60)")
    assert repaired(path).remaining == []
    assert files(path, kind) == before
    assert stored(path, "SELECT count(*) AS pieces FROM chunk") == [{"pieces": SLOTS + 4 + 2}]
    assert tree


@pytest.mark.parametrize("index", ["edge_by_parent", "edge_by_child", "edge_by_name"])
def test_an_index_is_made_anew(path: Path, kind: Kind, tree: dict[bytes, int], index: str) -> None:
    before = files(path, kind)
    thin_out(path, index)
    assert repaired(path).remaining == []
    assert files(path, kind) == before
    assert tree


def test_pages_that_sqlite_does_not_understand(
    path: Path, kind: Kind, tree: dict[bytes, int]
) -> None:
    assert tree
    with path.open("r+b") as raw:
        raw.seek(32)
        raw.write((2).to_bytes(4, "big") + (1).to_bytes(4, "big"))
    before = path.read_bytes()
    with pytest.raises(Corrupt, match="sqlfs salvage"):
        repair_file(path, unlock, apply=True)
    assert path.read_bytes() == before
    assert kind


def test_another_volume_that_is_locked_is_left_alone(path: Path) -> None:
    with create(path, Kind()) as file:
        file.create_volume("secret", PASSPHRASE, chunk_size=CHUNK)
        put(file.session(VOLUME), b"file", (0, noise(3000)))
        session = file.session("secret", passphrase=PASSPHRASE)
        put(session, b"file", (0, noise(3000)))
        session.setxattr(session.root, b"user.name", b"value")
    tables = ("node", "edge", "xattr", "chunk", "chunk_data")
    before = {table: stored(path, f"SELECT * FROM {table}") for table in tables}
    tamper(path, "UPDATE chunk SET refs = 7 WHERE domain = 0")
    done = repair_file(path, apply=True)
    assert done.locked == ["secret"]
    assert [each.check for each in done.done] == ["reference_count", "digest"]
    assert {table: stored(path, f"SELECT * FROM {table}") for table in tables} == before
