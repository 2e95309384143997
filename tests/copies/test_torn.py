"""Copies that hold pages of two moments: they say so, or are of one moment after all."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import apsw
import pytest

from sqlfs.crypto import KdfParameters
from sqlfs.errors import Corrupt, ReadOnly
from sqlfs.limits import INLINE_BYTES_MAX
from sqlfs.volume import VolumeFile
from sqlfs.volume.files import FileSystem

PAGE_BYTES = 4096
CHUNK_BYTES = 4096
KDF = KdfParameters(memory_kib=8, passes=1, lanes=1)
# In times eight bytes: inline, the least that has a chunk, and several chunks.
LENGTHS = (4, INLINE_BYTES_MAX // 8 + 1, 3000)

# Names, with None for content, and for a value, that is damaged.
Tree = dict[str, bytes | None]


def change(files: FileSystem, chance: random.Random) -> None:
    """New files, renamed, rewritten and removed ones; some that share content."""
    for _ in range(40):
        name = f"/{chance.randrange(30)}"
        verb = chance.randrange(5)
        if verb == 0 and files.exists(name):
            files.remove(name)
        elif verb == 1 and files.exists(name):
            files.rename(name, f"/{chance.randrange(30)}")
        elif verb == 2 and files.exists(name):
            files.setxattr(name, "user.note", chance.randbytes(chance.randrange(600)))
        else:
            files.write_bytes(name, chance.randbytes(8) * chance.choice(LENGTHS))


def change_long_rows(files: FileSystem, chance: random.Random) -> None:
    """Values that are longer than a page, each replaced by one of its length."""
    for name in map("/{}".format, range(8)):
        is_new = not files.exists(name)
        if is_new:
            files.write_bytes(name, b"content")
        if is_new or chance.random() < 0.6:
            files.setxattr(name, "user.note", chance.randbytes(5 * PAGE_BYTES))


def tree_of(files: FileSystem) -> Tree:
    found: Tree = {}
    for name in files.listdir("/"):
        try:
            found[name] = files.read_bytes(f"/{name}")
        except Corrupt:
            found[name] = None
        try:
            for key in files.listxattr(f"/{name}"):
                found[f"{name} {key}"] = files.getxattr(f"/{name}", key)
        except Corrupt:  # the only one that there is; its name is sealed with it
            found[f"{name} user.note"] = None
    return found


@pytest.fixture(params=[None, b"pass"], ids=["plain", "encrypted"])
def secret(request: pytest.FixtureRequest) -> bytes | None:
    given: bytes | None = request.param
    return given


def moments_of(
    path: Path, secret: bytes | None, change: Callable[[FileSystem, random.Random], None]
) -> list[tuple[bytes, Tree]]:
    """A file as its checkpoints left it, each time with what was in it."""
    chance, found = random.Random(7), []
    with VolumeFile.open(path, create=True, page_size=PAGE_BYTES, background=False) as file:
        file.create_volume("main", secret, chunk_size=CHUNK_BYTES, kdf=KDF)
        with FileSystem(file.session("main", passphrase=secret)) as files:
            for _ in range(3):
                change(files, chance)
                file.reclaim()
                file.checkpoint()
                found.append((path.read_bytes(), tree_of(files)))
    return found


@pytest.fixture
def moments(secret: bytes | None, tmp_path: Path) -> list[tuple[bytes, Tree]]:
    return moments_of(tmp_path / "volume.sqlite", secret, change)


def mixtures(old: bytes, new: bytes) -> Iterator[bytes]:
    """What a copier may get that is overtaken by a checkpoint, wherever it is, and from the end
    as well; and what several may get."""
    pages = max(len(old), len(new)) // PAGE_BYTES
    for page in range(1, pages):
        at = page * PAGE_BYTES
        yield old[:at] + new[at:]
        yield new[:at] + old[at:]
    chance = random.Random(pages)
    for _ in range(50):
        parts = [
            chance.choice((old, new))[page * PAGE_BYTES :][:PAGE_BYTES] for page in range(pages)
        ]
        yield b"".join(part or bytes(PAGE_BYTES) for part in parts)


def with_one_other_page(old: bytes, new: bytes) -> Iterator[bytes]:
    """The new state with a page of the old one in it, and the other way round."""
    for at in range(PAGE_BYTES, min(len(old), len(new)), PAGE_BYTES):
        end = at + PAGE_BYTES
        if old[at:end] != new[at:end]:
            yield new[:at] + old[at:end] + new[end:]
            yield old[:at] + new[at:end] + old[end:]


class Copy:
    """A copy that was opened: what it says of itself, and what it shows unless it is torn."""

    def __init__(self, path: Path, secret: bytes | None) -> None:
        with VolumeFile.open(path, background=False) as file:
            self.torn = file.db.torn
            self.read_only = file.read_only
            self.notices = file.notices
            with FileSystem(file.session("main", passphrase=secret)) as files:
                self.tree = {} if self.torn else tree_of(files)
                if self.torn:
                    with pytest.raises(ReadOnly):
                        files.mkdir("/new")

    def is_of(self, moment: Tree) -> bool:
        """Whether it shows that moment; content may be damaged, which was said when it was read."""
        return self.tree.keys() == moment.keys() and all(
            shown in (None, moment[name]) for name, shown in self.tree.items()
        )


def opened(path: Path, secret: bytes | None) -> Copy | None:
    """None if it is refused in one line that says so."""
    try:
        return Copy(path, secret)
    except Corrupt as error:
        message = error.message
    assert re.search(r"(is a torn or damaged copy .*salvage|is truncated)", message), message
    assert "\n" not in message
    return None


def outcomes_of(
    moments: list[tuple[bytes, Tree]],
    secret: bytes | None,
    path: Path,
    mixtures: Callable[[bytes, bytes], Iterator[bytes]],
) -> dict[str, int]:
    """How many copies of each kind there were.  Fails at one that shows what never was."""
    outcomes = {"refused": 0, "torn": 0, "damaged": 0, "whole": 0}
    for (old, before), (new, after) in pairwise(moments):
        for mixture in mixtures(old, new):
            path.write_bytes(mixture)
            copy = opened(path, secret)
            if copy is None:
                outcomes["refused"] += 1
                assert path.read_bytes() == mixture
                continue
            if copy.torn:
                assert copy.read_only
                assert copy.notices == [copy.torn]
                assert path.read_bytes() == mixture
                outcomes["torn"] += 1
                continue
            assert copy.is_of(before) or copy.is_of(after)
            outcomes["damaged" if None in copy.tree.values() else "whole"] += 1
    print(outcomes)
    return outcomes


def test_a_copy_of_two_moments_says_so(
    moments: list[tuple[bytes, Tree]], secret: bytes | None, tmp_path: Path
) -> None:
    outcomes = outcomes_of(moments, secret, tmp_path / "copy.sqlite", mixtures)
    assert all(outcomes.values()), "not every kind of copy was among them"


def test_of_a_row_longer_than_a_page_what_is_of_another_moment_is_damaged(
    secret: bytes | None, tmp_path: Path
) -> None:
    """The digest has what a sealed row begins with; of the rest its seal says it, at the read."""
    moments = moments_of(tmp_path / "volume.sqlite", secret, change_long_rows)
    outcomes = outcomes_of(moments, secret, tmp_path / "copy.sqlite", with_one_other_page)
    assert outcomes["damaged"] > 0


def edit(path: Path, statement: str) -> None:
    connection = apsw.Connection(str(path))
    try:
        connection.execute(statement)
    finally:
        connection.close()


def test_a_row_of_another_moment_is_a_finding_and_the_state_can_be_accepted(
    moments: list[tuple[bytes, Tree]], secret: bytes | None, tmp_path: Path
) -> None:
    path = tmp_path / "copy.sqlite"
    path.write_bytes(moments[-1][0])
    edit(path, "UPDATE reservation SET next = next + 1 WHERE kind = 'mount'")
    assert Copy(path, secret).torn is not None
    with VolumeFile.open(path, background=False, read_only=True) as file:
        assert (file.db.torn, len(file.notices)) == (file.notices[0], 1)
    with VolumeFile.open(path, accept_state=True, background=False) as file:
        assert (file.read_only, file.db.torn) == (False, None)
    assert Copy(path, secret).torn is None


def test_a_state_that_sqlite_itself_finds_broken_is_not_accepted(
    moments: list[tuple[bytes, Tree]], secret: bytes | None, tmp_path: Path
) -> None:
    path = tmp_path / "copy.sqlite"
    (old, _), (new, _) = moments[:2]
    refused = 0
    for mixture in mixtures(old, new):
        path.write_bytes(mixture)
        copy = opened(path, secret)
        if copy is not None and copy.torn:
            with pytest.raises(Corrupt, match="salvage"):
                VolumeFile.open(path, accept_state=True, background=False)
            assert path.read_bytes() == mixture
            refused += 1
    assert refused > 0


def test_a_whole_copy_is_verified_once(moments: list[tuple[bytes, Tree]], tmp_path: Path) -> None:
    path = tmp_path / "copy.sqlite"
    path.write_bytes(moments[-1][0])
    looks: list[int] = []

    def look() -> None:
        with VolumeFile.open(
            path, background=False, progress=lambda done, total: looks.append(total - done)
        ) as file:
            assert not file.read_only

    look()
    assert looks[-1] == 0
    looks.clear()
    look()
    assert looks == []
    other = tmp_path / "other.sqlite"
    path.rename(other)
    path = other
    look()
    assert looks == [], "another name makes no copy"
