"""What content costs: nothing the second time, and nothing any more once it is gone."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.acceptance.volumes import Volume, stored
from tests.mount.mounting import run

GROWTH_MAX = 0.02
EMPTY_BYTES_MAX = 2 * 2**20


def file_bytes_after_copy(volume: Volume, library: Path, name: str) -> int:
    """The file's size when all of it is there: the log counts for nothing after an unmount."""
    run("cp", "-a", library, volume / name)
    volume.remount()
    return volume.file_bytes


def test_a_second_copy_costs_little_and_removing_gives_all_back(
    volume: Volume, library: Path
) -> None:
    first = file_bytes_after_copy(volume, library, "first")
    second = file_bytes_after_copy(volume, library, "second")
    assert second < first * (1 + GROWTH_MAX)
    assert volume.used_bytes > 0.9 * first

    for name in ("first", "second"):
        shutil.rmtree(volume / name)
    volume.wait_until_free(EMPTY_BYTES_MAX)
    volume.unmount()
    for table in ("chunk", "chunk_data", "reclaim", "edge", "xattr", "orphan"):
        assert stored(volume.file, f"SELECT count(*) FROM {table}") == [(0,)], table

    volume.start()
    assert file_bytes_after_copy(volume, library, "third") <= second
    run("diff", "-r", "--no-dereference", library, volume / "third")
