"""Small writes: in memory, as deltas or in chunks, the bytes are right."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from sqlfs.content.patches import Patches
from sqlfs.errors import NoSuchRange
from sqlfs.maintenance import check_file
from sqlfs.types import AllocateMode, AttributeChanges
from sqlfs.volume import VolumeFile, work
from tests.contract.nodes import ME, noise
from tests.format.volumes import CHEAP

SOAK = int(os.environ.get("SQLFS_SOAK", "1"))
CHUNK = 16384
SIZE_MAX = 20 * CHUNK
PUNCH = AllocateMode.PUNCH_HOLE | AllocateMode.KEEP_SIZE


@pytest.mark.parametrize("seed", range(20 * SOAK))
def test_pieces_lie_over_each_other_in_the_order_of_their_writing(seed: int) -> None:
    chance = random.Random(seed)
    patches, plain, written = Patches(), bytearray(200), bytearray(200)
    for _ in range(chance.randrange(40)):
        start = chance.randrange(190)
        piece = noise(chance.randint(1, 10), chance.randrange(999))
        patches.put(start, memoryview(piece))
        plain[start : start + len(piece)] = piece
        written[start : start + len(piece)] = b"\1" * len(piece)
        ends = [(at, at + len(found)) for at, found in patches]
        assert all(end < start for (_, end), (start, _) in pairwise(ends))
        assert sum(stop - start for start, stop in ends) == sum(written)
        start = chance.randrange(200)
        stop = chance.randint(start + 1, 200)
        part = bytearray(stop - start)
        patches.lay(memoryview(part), start)
        assert part == plain[start:stop]
        base = bytes(chance.randrange(200))
        assert patches.over(base).ljust(200, b"\0") == plain
        covering = patches.covering(start, stop)
        whole = covering and bytes(covering)
        assert (whole is not None) == all(written[start:stop])
        assert whole is None or whole == plain[start:stop]


class Twin:
    """A file in a volume and what it should hold."""

    def __init__(self, folder: Path, chance: random.Random, passphrase: bytes | None) -> None:
        self.folder, self.chance, self.passphrase = folder, chance, passphrase
        self.path, self.lives = folder / "0.sqlite", 0
        with VolumeFile.open(self.path, create=True, page_size=4096) as file:
            file.create_volume("v", passphrase, chunk_size=CHUNK, kdf=CHEAP)
        self.plain = bytearray()
        self.durable = b""
        self.seen_deltas = 0
        self.open()
        _, self.handle = self.session.create(self.session.root, b"f", 0o644, os.O_RDWR, ME)
        self.fsync()

    def open(self) -> None:
        self.file = VolumeFile.open(self.path, background=False)
        self.session = self.file.session("v", passphrase=self.passphrase)

    def deltas(self) -> int:
        return len(self.file.db.rows("delta_ids", 0, 10_000))

    # --- steps ---

    def small(self) -> None:
        for _ in range(self.chance.randint(1, 12)):
            at = self.chance.randint(0, len(self.plain))
            self.write(at, self.chance.randint(1, 900))

    def same_place(self) -> None:
        at = self.chance.randint(0, len(self.plain))
        for _ in range(self.chance.randint(1, 4)):
            self.write(at, 300)
            self.fsync()

    def append(self) -> None:
        for _ in range(self.chance.randint(1, 5)):
            self.write(len(self.plain), self.chance.randint(1, 700))
            self.fsync()

    def large(self) -> None:
        at = self.chance.randint(0, len(self.plain) + CHUNK)
        self.write(at, self.chance.randint(1, 3 * CHUNK))

    def write(self, at: int, length: int) -> None:
        length = min(length, SIZE_MAX - at)
        if length > 0:
            data = noise(length, self.chance.randrange(999))
            self.session.write(self.handle, at, data)
            self.plain.extend(bytes(max(0, at + length - len(self.plain))))
            self.plain[at : at + length] = data

    def truncate(self) -> None:
        size = self.chance.randint(0, SIZE_MAX)
        node = self.session.getattr(self.node).node
        self.session.setattr(node, AttributeChanges(size=size))
        del self.plain[size:]
        self.plain.extend(bytes(size - len(self.plain)))

    @property
    def node(self) -> int:
        return self.session.lookup(self.session.root, b"f").node

    def punch(self) -> None:
        at = self.chance.randint(0, len(self.plain))
        length = self.chance.randint(1, 3 * CHUNK)
        self.session.allocate(self.handle, PUNCH, at, length)
        end = min(at + length, len(self.plain))
        self.plain[at:end] = bytes(max(0, end - at))

    def copy_range(self) -> None:
        if len(self.plain) < 4 * CHUNK:
            return
        slots = self.chance.randint(1, len(self.plain) // CHUNK // 2)
        first = self.chance.randint(0, len(self.plain) // CHUNK - 2 * slots)
        source, target, length = first * CHUNK, (first + slots) * CHUNK, slots * CHUNK
        done = 0
        while done < length:
            done += self.session.copy_range(
                self.handle, source + done, self.handle, target + done, length - done
            )
        self.plain[target : target + length] = self.plain[source : source + length]

    def clone(self) -> None:
        self.session.clone(self.node, self.session.root, b"twin", ME)
        handle = self.session.open(self.session.lookup(self.session.root, b"twin").node, os.O_RDWR)
        assert self.session.read(handle, 0, SIZE_MAX) == self.plain
        self.session.release(handle)
        self.session.unlink(self.session.root, b"twin")

    def fsync(self) -> None:
        self.session.fsync(self.handle)
        self.durable = bytes(self.plain)
        self.seen_deltas += self.deltas()

    def fold(self) -> None:
        self.file.work.fold(self.chance.randint(1, 9))

    def look(self) -> None:
        at = self.chance.randint(0, len(self.plain))
        length = self.chance.randint(1, 2 * CHUNK)
        assert self.session.read(self.handle, at, length) == self.plain[at : at + length]
        self.look_for_holes()

    def look_for_holes(self) -> None:
        at = 0
        while at < len(self.plain):
            try:
                data = self.session.seek(self.handle, at, os.SEEK_DATA)
            except NoSuchRange:
                data = len(self.plain)
            assert not any(self.plain[at:data])
            if data == len(self.plain):
                break
            at = self.session.seek(self.handle, data, os.SEEK_HOLE)
            assert any(self.plain[data:at])

    def used(self) -> int:
        slots = range(0, len(self.plain), CHUNK)
        pieces = (self.plain[slot : slot + CHUNK] for slot in slots)
        if len(self.plain) <= 512:
            return len(self.plain)
        return sum(len(piece) for piece in pieces if any(piece))

    def settle(self) -> None:
        """All in chunks: what is stored is what would be, had there been no deltas."""
        self.fsync()
        while self.file.work.fold(9):
            pass
        self.fsync()
        assert self.deltas() == 0
        assert self.session.getattr(self.node).blocks == -(-self.used() // 512)

    def die(self) -> None:
        """What a killed owner leaves is opened."""
        self.lives += 1
        left = self.folder / f"{self.lives}.sqlite"
        for end in ("", "-wal"):
            shutil.copyfile(f"{self.path}{end}", f"{left}{end}")
        self.session.close()
        self.file.close()
        self.path.unlink()
        self.path, self.plain = left, bytearray(self.durable)
        self.reopen()

    def close_and_open(self) -> None:
        self.session.close()
        assert self.deltas() == 0
        self.file.close()
        self.durable = bytes(self.plain)
        self.reopen()

    def reopen(self) -> None:
        with VolumeFile.open(self.path, read_only=True) as file:
            session = file.session("v", passphrase=self.passphrase)
            node = session.lookup(session.root, b"f").node
            handle = session.open(node, os.O_RDONLY)
            assert session.read(handle, 0, SIZE_MAX) == self.plain
            session.close()
        self.open()
        self.handle = self.session.open(self.node, os.O_RDWR)
        assert check_file(self.file, deep=True) == []
        assert self.session.read(self.handle, 0, SIZE_MAX) == self.plain


def steps(twin: Twin) -> dict[Callable[[], None], int]:
    return {
        twin.small: 12, twin.same_place: 2, twin.append: 4, twin.large: 4, twin.truncate: 1,
        twin.punch: 1, twin.copy_range: 1, twin.clone: 1, twin.fsync: 4, twin.fold: 2,
        twin.look: 6, twin.settle: 1, twin.die: 1, twin.close_and_open: 1,
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(6 * SOAK))
def test_a_file_that_is_written_in_small_pieces_is_what_was_written(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    twin = Twin(tmp_path, chance, b"secret" if seed % 2 else None)
    weighted = steps(twin)
    for step in chance.choices(list(weighted), list(weighted.values()), k=60):
        step()
        assert twin.session.getattr(twin.node).size == len(twin.plain)
    twin.die()
    assert twin.seen_deltas > 20
    twin.close_and_open()
    twin.session.close()
    twin.file.close()


def test_files_that_wait_to_be_folded_need_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "v.sqlite"
    monkeypatch.setattr(work, "_WAITING_BYTES_MAX", 16 * 4096)
    with VolumeFile.open(path, create=True, page_size=4096, background=False) as file:
        file.create_volume("v", None, chunk_size=CHUNK)
        session = file.session("v")
        for number in range(40):
            _, handle = session.create(session.root, b"%d" % number, 0o644, os.O_RDWR, ME)
            session.write(handle, 0, noise(CHUNK))
            session.fsync(handle)
            session.write(handle, number, b"small")
            session.fsync(handle)
            session.release(handle)
        assert len(file.db.rows("delta_ids", 0, 100)) == 40
        commits = file.db.commits
        session.mkdir(session.root, b"folder", 0o755, ME)
        assert file.db.commits == commits


def test_one_call_folds_slots_of_as_many_files_as_it_is_asked_to(tmp_path: Path) -> None:
    path = tmp_path / "v.sqlite"
    with VolumeFile.open(path, create=True, page_size=4096, background=False) as file:
        file.create_volume("v", None, chunk_size=CHUNK)
        session = file.session("v")
        for number in range(5):
            _, handle = session.create(session.root, b"%d" % number, 0o644, os.O_RDWR, ME)
            session.write(handle, 0, noise(CHUNK))
            session.fsync(handle)
            session.write(handle, number, b"small")
            session.fsync(handle)
        for limit, left in ((3, 2), (9, 0)):
            assert file.work.fold(limit)
            file.commit()
            assert len(file.db.rows("delta_ids", 0, 100)) == left
        assert not file.work.fold(9)
