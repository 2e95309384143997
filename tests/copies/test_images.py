"""Images of a file that goes on changing: of the moment they were begun, byte by byte."""

from __future__ import annotations

import errno
import os
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from sqlfs.crypto import KdfParameters
from sqlfs.errors import ConnectionLost, Corrupt, InputOutput, NoSpace, ReadOnly
from sqlfs.maintenance import check_file
from sqlfs.store import Image, image, log_path
from sqlfs.store.lineage import LINEAGE_PAGE, RECORD_BYTES, Lineage
from sqlfs.volume import VolumeFile
from sqlfs.volume.files import FileSystem
from tests.copies.test_torn import Tree, change, tree_of

SOAK = int(os.environ.get("SQLFS_SOAK", "1"))
PAGE_BYTES = 4096
KDF = KdfParameters(memory_kib=8, passes=1, lanes=1)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "PIECE_BYTES", 2 * PAGE_BYTES)


@pytest.fixture(params=[None, b"pass"], ids=["plain", "encrypted"])
def secret(request: pytest.FixtureRequest) -> bytes | None:
    given: bytes | None = request.param
    return given


@pytest.fixture
def file(secret: bytes | None, tmp_path: Path) -> Iterator[VolumeFile]:
    path = tmp_path / "volume.sqlite"
    with VolumeFile.open(path, create=True, page_size=PAGE_BYTES, background=False) as file:
        file.create_volume("main", secret, chunk_size=PAGE_BYTES, kdf=KDF)
        yield file


@pytest.fixture
def files(file: VolumeFile, secret: bytes | None) -> Iterator[FileSystem]:
    with FileSystem(file.session("main", passphrase=secret)) as files:
        yield files


def whole(source: Image, begun: bytes = b"") -> bytes:
    content = bytearray(begun)
    while piece := source.read():
        content += piece
    assert len(content) == source.size
    return bytes(content)


def shown(content: bytes, place: Path, secret: bytes | None) -> Tree:
    """What a file of that content holds; it must be sound."""
    place.write_bytes(content)
    with VolumeFile.open(place, background=False) as opened:
        assert (opened.notices, opened.read_only) == ([], False)
        with FileSystem(opened.session("main", passphrase=secret)) as files:
            assert check_file(opened, deep=True) == []
            found = tree_of(files)
    place.unlink()
    return found


def steps(file: VolumeFile, chance: random.Random) -> list[Callable[[], object]]:
    def give_back() -> None:
        file.reclaim()
        file.db.give_back(chance.randrange(1, 40))

    return [file.commit, file.checkpoint, file.db.shrink_log, file.db.trim_log, give_back]


@pytest.mark.parametrize("seed", range(2 * SOAK))
def test_an_image_is_of_one_moment(
    file: VolumeFile, files: FileSystem, secret: bytes | None, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    reading: list[tuple[Image, bytearray, Tree]] = []
    finished = 0
    for _ in range(14):
        change(files, chance)
        if chance.random() < 0.4:
            reading.append((file.image(), bytearray(), tree_of(files)))
        chance.choice(steps(file, chance))()
        for source, begun, _ in reading:
            for _ in range(chance.randrange(4)):
                begun += source.read()
        if reading and chance.random() < 0.3:
            source, begun, tree = reading.pop(chance.randrange(len(reading)))
            assert shown(whole(source, begun), tmp_path / "copy.sqlite", secret) == tree
            source.close()
            finished += 1
    for source, begun, tree in reading:
        assert shown(whole(source, begun), tmp_path / "copy.sqlite", secret) == tree
        finished += 1
    assert finished > 2


def test_an_image_has_what_nobody_synced(
    file: VolumeFile, files: FileSystem, secret: bytes | None, tmp_path: Path
) -> None:
    files.write_bytes("/a", b"in memory")
    source = file.image()
    files.remove("/a")
    assert shown(whole(source), tmp_path / "copy.sqlite", secret) == {"a": b"in memory"}


def test_the_record_of_an_image_is_that_of_a_closed_file(file: VolumeFile) -> None:
    file.checkpoint()
    assert file.db.lineage.marked
    content = whole(file.image())
    end = LINEAGE_PAGE * PAGE_BYTES
    record = Lineage.decode(content[end - RECORD_BYTES : end])
    assert record is not None
    assert (record.marked, record.identity) == (False, None)
    assert (record.id, record.digest) == (file.db.lineage.id, file.db.lineage.digest)


def test_an_image_of_an_idle_file_changes_nothing(file: VolumeFile) -> None:
    file.checkpoint()
    before, generation = file.path.read_bytes(), file.db.lineage.generation
    whole(file.image())
    assert file.path.read_bytes() == before
    assert (file.db.lineage.generation, file.db.log_bytes) == (generation, 0)


def test_an_image_beside_a_log_that_a_killed_owner_left(
    file: VolumeFile, secret: bytes | None, tmp_path: Path
) -> None:
    left = tmp_path / "left.sqlite"
    with FileSystem(file.session("main", passphrase=secret)) as files:
        change(files, random.Random(1))
        file.checkpoint()
        change(files, random.Random(2))
        tree = tree_of(files)
    left.write_bytes(file.path.read_bytes())
    frames = file.db.log_bytes // PAGE_BYTES
    log = log_path(file.path).read_bytes()[: 32 + frames * (24 + PAGE_BYTES)]
    # A frame of a transaction that never ended: by its salts it is of this log.
    unfinished = (4).to_bytes(4, "big") + bytes(4) + log[16:24] + bytes(8) + bytes(PAGE_BYTES)
    log_path(left).write_bytes(log + unfinished)
    with VolumeFile.open(left, background=False) as opened:
        assert not opened.db.dirty
        assert shown(whole(opened.image()), tmp_path / "copy.sqlite", secret) == tree


def test_what_is_committed_while_a_checkpoint_prepares_is_in_no_older_image(
    file: VolumeFile, files: FileSystem, secret: bytes | None, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    chance = random.Random(6)
    change(files, chance)
    file.checkpoint()
    source, tree, calls = file.image(), tree_of(files), 0

    def and_then(prepare: Callable[[], None] = file.db.images.before_checkpoint) -> None:
        nonlocal calls
        calls += 1
        prepare()
        if calls == 1:
            change(files, chance)
            file.commit()

    monkeypatch.setattr(file.db.images, "before_checkpoint", and_then)
    change(files, chance)
    file.checkpoint()
    assert calls > 1
    assert shown(whole(source), tmp_path / "copy.sqlite", secret) == tree


def test_nobody_else_can_read_what_is_set_aside(file: VolumeFile, files: FileSystem) -> None:
    change(files, random.Random(3))
    file.checkpoint()
    source = file.image()
    change(files, random.Random(4))
    file.checkpoint()
    assert sorted(path.name for path in file.path.parent.iterdir()) == [
        "volume.sqlite",
        "volume.sqlite-wal",
    ]
    whole(source)


def test_no_room_to_set_aside_costs_the_image_alone(
    file: VolumeFile, files: FileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image, "_LEFT_BYTES", 1 << 60)
    change(files, random.Random(5))
    source = file.image()
    files.write_bytes("/later", b"later")
    file.checkpoint()
    for _ in range(2):
        with pytest.raises(NoSpace, match="could not be set aside"):
            source.read()
    read = file.image()
    content = whole(read)
    files.write_bytes("/later still", b"later")
    file.checkpoint()
    assert (read.read(), len(content)) == (b"", read.size), "nothing was to be set aside"
    assert check_file(file, deep=True) == []


def test_an_error_in_setting_aside_costs_the_image_alone(
    file: VolumeFile, files: FileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(files, random.Random(5))
    file.checkpoint()
    source, other = file.image(), file.image()
    content = whole(other)
    files.write_bytes("/later", b"later")
    monkeypatch.setattr(os, "pwrite", lambda *_: 0)
    file.checkpoint()
    with pytest.raises(NoSpace):
        source.read()
    assert other.read() == b""
    assert len(content) == other.size


def test_a_bad_sector_is_an_error(
    file: VolumeFile, files: FileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel gives what lies before it, and then the error."""
    change(files, random.Random(8))
    file.checkpoint()
    bad = 3 * PAGE_BYTES + 512
    source = file.image()

    def preadv(fd: int, buffers: list[memoryview], place: int) -> int:
        if place >= bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        content = os.pread(fd, min(len(buffers[0]), bad - place), place)
        buffers[0][: len(content)] = content
        return len(content)

    monkeypatch.setattr(os, "preadv", preadv)
    with pytest.raises(InputOutput, match="can't be read"):
        whole(source)


def test_an_image_that_nobody_reads_is_given_up(
    file: VolumeFile, files: FileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(files, random.Random(7))
    source = file.image()
    monkeypatch.setattr(image, "IMAGE_IDLE_S_MAX", -1.0)
    assert source.read()
    file.checkpoint()
    with pytest.raises(InputOutput, match="was not read for too long"):
        source.read()


def test_an_image_ends_with_its_file(tmp_path: Path) -> None:
    file = VolumeFile.open(tmp_path / "volume.sqlite", create=True)
    source = file.image()
    assert source.read()
    file.close()
    with pytest.raises(ConnectionLost, match="was closed"):
        source.read()
    with pytest.raises(ConnectionLost):
        file.image()


def test_an_image_can_be_had_when_writing_has_ended(
    file: VolumeFile, files: FileSystem, secret: bytes | None, tmp_path: Path
) -> None:
    files.write_bytes("/a", b"kept")
    file.durable()
    file.db.fail("for a test")
    with pytest.raises(InputOutput):
        files.mkdir("/b")
    assert shown(whole(file.image()), tmp_path / "copy.sqlite", secret) == {"a": b"kept"}


def test_a_torn_copy_has_no_image(file: VolumeFile, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite"
    copy.write_bytes(whole(file.image()))
    edit = apsw.Connection(str(copy))
    edit.execute("UPDATE reservation SET next = next + 1 WHERE kind = 'mount'")
    edit.close()
    with VolumeFile.open(copy, background=False) as torn, pytest.raises(Corrupt, match="torn"):
        torn.image()


def number_in(content: bytes | None) -> int:
    assert content is not None
    (number,) = set(content.split())
    return int(number)


def test_images_while_others_write(tmp_path: Path) -> None:
    """Threads that write, and checkpoints whenever they may come."""
    path = tmp_path / "volume.sqlite"
    with VolumeFile.open(path, create=True, page_size=PAGE_BYTES) as file:
        file.create_volume("main", chunk_size=PAGE_BYTES)
        ending = threading.Event()

        def write(name: str) -> None:
            with FileSystem(file.session("main")) as files:
                number = 0
                while not ending.is_set():
                    for place in (f"/{name}", f"/{name}-{number % 50}"):
                        files.write_text("/new " + name, f"{number} " * 1000)
                        files.rename("/new " + name, place)
                    number += 1

        def checkpoint() -> None:
            while not ending.is_set():
                file.db.checkpoint(mark=True)

        work = [threading.Thread(target=write, args=(name,)) for name in "ab"]
        work.append(threading.Thread(target=checkpoint))
        for each in work:
            each.start()
        try:
            for _ in range(6):
                found = shown(whole(file.image()), tmp_path / "copy.sqlite", None)
                for name in "ab":
                    others = [found[key] for key in found if key.startswith(f"{name}-")]
                    newest = max(map(number_in, others), default=-1)
                    assert name not in found or number_in(found[name]) - newest in (0, 1)
        finally:
            ending.set()
            for each in work:
                each.join()


def test_a_file_read_only_beside_a_log_says_what_to_do(tmp_path: Path) -> None:
    path, left = tmp_path / "volume.sqlite", tmp_path / "left.sqlite"
    with VolumeFile.open(path, create=True, background=False) as file:
        file.create_volume("main")
        left.write_bytes(path.read_bytes())
        log = path.with_name(path.name + "-wal")
        left.with_name(left.name + "-wal").write_bytes(log.read_bytes())
    with (
        VolumeFile.open(left, read_only=True, background=False) as opened,
        pytest.raises(ReadOnly, match="close it, and try again"),
    ):
        opened.image()
