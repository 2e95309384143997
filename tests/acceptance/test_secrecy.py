"""What the bytes of a volume give away: all of the tree if it is plain, nothing if encrypted."""

from __future__ import annotations

import os
import re
from itertools import combinations
from pathlib import Path

import sqlfs
from sqlfs.limits import INLINE_BYTES_MAX
from tests.acceptance.volumes import PASSPHRASE, Volume, each_file, stored
from tests.contract.implementations import QUICK_KDF
from tests.mount.mounting import ROOT, run

# Shorter ones are found by chance, or in SQLite's own words.
WORD_BYTES_MIN = 6
ATTRIBUTE = ("user.secret-of-the-tree", b"value-of-an-attribute")
# The rows of these hold sealed pieces.  Larger ones than a page are not in one piece.
SEALED = ("volume", "counter", "node", "edge", "xattr", "chunk_data")
SMALL_BYTES_MAX = 16 * 2**10
PRINTABLE = re.compile(rb"[ -~]+")


def words_of(library: Path, above: int) -> list[bytes]:
    """Every name of the tree, a target, an attribute, and the longest line of each small text of
    more than `above` bytes."""
    names = {os.fsencode(path.name) for path in library.rglob("*")}
    words = names | {b"nowhere-at-all/its-target", ATTRIBUTE[0].encode(), ATTRIBUTE[1]}
    for path in each_file(library, lambda path: above < path.stat().st_size < SMALL_BYTES_MAX):
        words.add(max(PRINTABLE.findall(path.read_bytes()), key=len, default=b"")[:80])
    # The file's own schema is in clear.
    schema = (ROOT / "sql" / "schema" / "v1.sql").read_bytes()
    return sorted(word for word in words if len(word) >= WORD_BYTES_MIN and word not in schema)


def test_what_is_found_in_the_bytes(volume: Volume, library: Path, tmp_path: Path) -> None:
    run("cp", "-a", library, volume / "confidential-copy")
    os.setxattr(volume / "confidential-copy" / "os.py", *ATTRIBUTE)
    # What is inline is compressed, on plain volumes too.
    above = 0 if volume.encrypted else INLINE_BYTES_MAX
    words = [*words_of(library, above), b"confidential-copy"]
    assert len(words) > 1000
    log = Path(f"{volume.file}-wal")
    assert log.stat().st_size > volume.file_bytes / 2
    check_found(words, tmp_path, volume.file, log, readable=not volume.encrypted)
    volume.unmount()
    check_found(words, tmp_path, volume.file, readable=not volume.encrypted)


def check_found(words: list[bytes], tmp_path: Path, *files: Path, readable: bool) -> None:
    patterns = tmp_path / "words"
    patterns.write_bytes(b"\n".join(words))
    search = 'LC_ALL=C grep --text --only-matching --no-filename -F -f "$@" | LC_ALL=C sort -u'
    output = run("sh", "-c", search, "sh", patterns, *files, text=False).stdout
    assert isinstance(output, bytes)
    found = output.splitlines()
    if not readable:
        assert found == []
        return
    # A word within a longer one is shown as that.
    together = b"\n".join(found)
    assert [word for word in words if word not in together] == []


def test_volumes_with_one_passphrase_and_tree_share_nothing(library: Path, tmp_path: Path) -> None:
    paths = [tmp_path / "one.sqlite", tmp_path / "two.sqlite"]
    for path in paths:
        with sqlfs.open(path, create=True) as store:
            for name in ("a", "b"):
                store.create_volume(name, PASSPHRASE, kdf=QUICK_KDF)
                with store.mount(name, PASSPHRASE) as fs:
                    for each in each_file(library / "email", lambda _: True):
                        fs.write_bytes(f"/{each.name}", each.read_bytes())
                        fs.setxattr(f"/{each.name}", *ATTRIBUTE)
    domains = [
        {row[0] for row in stored(path, f"SELECT digest FROM chunk WHERE domain = {domain}")}
        for path in paths
        for (domain,) in stored(path, "SELECT domain FROM volume")
    ]
    assert len(domains) == 4
    assert len({len(domain) for domain in domains}) == 1
    assert len(domains[0]) > 10
    assert [True for one, two in combinations(domains, 2) if one & two] == []
    for table in SEALED:
        pieces = [row[0] for path in paths for row in stored(path, f"SELECT sealed FROM {table}")]
        assert len(set(pieces)) == len(pieces) > 0, table
