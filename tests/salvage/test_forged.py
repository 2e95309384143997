"""What is rightly sealed, and nothing that sqlfs would write, ends nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlfs.chunks import Reference
from sqlfs.volume.opened import OpenVolume
from tests.format.volumes import CHUNK, VOLUME, Kind, create, noise, put
from tests.salvage.rescuing import Rescued, rescue

Forge = Callable[[OpenVolume, int], None]


def forged(path: Path, forge: Forge) -> Rescued:
    """A file ``forged``, and one beside it that is sound, salvaged."""
    with create(path, Kind()) as file:
        session = file.session(VOLUME)
        node = put(session, b"forged", (0, noise(3000)))
        put(session, b"sound", (0, noise(CHUNK)))
        session.sync()
        with file.db.writing():
            forge(file.session(VOLUME).opened_volume, node)
        session.sync()
    rescued = rescue(path, path.with_name("out"), None)
    assert b"/sound" in rescued.whole
    assert b"/forged" in rescued.tree.seen
    return rescued


def test_a_tree_of_chunks_that_are_not_there_is_gone_through_once(tmp_path: Path) -> None:
    def forge(volume: OpenVolume, node: int) -> None:
        at = Reference(0, 0, b"d" * 32)
        for level in range(1, 9):
            at = volume.pool.put_together(level, [at] * 128)
        record = volume.nodes.get(node)
        record.root, record.size = at, 2**62
        volume.nodes.touch(record)

    rescued = forged(tmp_path / "volume.sqlite", forge)
    assert b"/forged" not in rescued.whole


def test_a_name_of_an_xattr_with_a_nul(tmp_path: Path) -> None:
    def forge(volume: OpenVolume, node: int) -> None:
        volume.xattrs.put(volume.nodes.get(node), b"user.\0", b"value", is_new=True)

    rescued = forged(tmp_path / "volume.sqlite", forge)
    (loss,) = rescued.losses
    assert loss.message.startswith(r"its extended attribute 'user.\x00' can't be kept there")
