"""Plain copies of a mounted volume under load, by the programs that people use for it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.copies.load import Load, assert_holds, wait_leased, writers
from tests.mount.mounting import DEADLINE_S, Mount, run

SOAK = int(os.environ.get("SQLFS_SOAK", "1"))

Copier = Callable[[Path, Path, Load], None]


def shell(words: str) -> Copier:
    def copy(source: Path, target: Path, load: Load) -> None:
        del load
        run("sh", "-c", words, env={**os.environ, "SOURCE": str(source), "TARGET": str(target)})

    return copy


def slow_reader(source: Path, target: Path, load: Load) -> None:
    """Reads a piece, waits until more was written, and reads the next."""
    with source.open("rb", buffering=0) as reading, target.open("wb") as writing:
        size = os.fstat(reading.fileno()).st_size
        for _ in range(16):
            writing.write(reading.read(size // 16 + 1))
            load.wait_for_more()


def tar(source: Path, target: Path, load: Load) -> None:
    """GNU tar opens without waiting, is refused, and comes again."""
    del load
    words = 'tar -C "$PLACE" -cf - "$NAME" | tar -xOf - > "$TARGET"; test "${PIPESTATUS[0]}" = 0'
    named = {"PLACE": str(source.parent), "NAME": source.name, "TARGET": str(target)}
    for _ in range(100):
        done = subprocess.run(
            ["bash", "-c", words], env={**os.environ, **named}, capture_output=True, text=True,
            timeout=DEADLINE_S,
        )  # fmt: skip
        if done.returncode == 0:
            return
        assert "Resource temporarily unavailable" in done.stderr, done.stderr
    pytest.fail("tar is never let in")


COPIERS: dict[str, Copier] = {
    "cp": shell('cp "$SOURCE" "$TARGET"'),
    "cp --reflink": shell('cp --reflink=auto "$SOURCE" "$TARGET"'),
    "dd": shell('dd if="$SOURCE" of="$TARGET" bs=64k status=none'),
    "rsync": shell('rsync "$SOURCE" "$TARGET"'),
    "cat": shell('cat "$SOURCE" > "$TARGET"'),
    "tar": tar,
    "slow reader": slow_reader,
}


def test_every_copy_holds_what_was_acknowledged_before_it_began(
    mount: Mount, tmp_path: Path
) -> None:
    mount.start()
    copy = tmp_path / "copy.sqlite"
    with writers(mount.directory, tmp_path) as load:
        for _ in range(SOAK):
            for copier in COPIERS.values():
                wait_leased(mount.file)
                acknowledged = load.acknowledged()
                copier(mount.file, copy, load)
                assert_holds(copy, acknowledged)
                copy.unlink()
                load.wait_for_more()
        acknowledged = load.acknowledged()
    mount.unmount()
    assert_holds(mount.file, acknowledged)
