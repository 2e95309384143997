"""Plain copies of a mounted volume under load, by the programs that people use for it."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.copies.load import Load, assert_holds, is_leased, is_torn, wait_leased, writers
from tests.mount.mounting import DEADLINE_S, Mount, run, wait_until

SOAK = int(os.environ.get("SQLFS_SOAK", "1"))

# As where the file system has none, or the file is another user's.
WITHOUT_LEASES = [
    sys.executable,
    "-c",
    "from sqlfs.store import watch; watch.signal_descriptor = lambda: -1; "
    "from sqlfs.volume import committer; committer.COPY_AGE_S_MAX = 0.5; "
    "from fuse_driver.mount import run; run()",
]
# How old a copy may be then, whatever the machine is busy with.
AGE_S_MAX = 10.0

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


def twenty_mb_per_second(source: Path, target: Path, load: Load) -> None:
    """As a slow disk takes it."""
    del load
    with source.open("rb", buffering=0) as reading, target.open("wb") as writing:
        begun, done = time.monotonic(), 0
        while piece := reading.read(1 << 19):
            writing.write(piece)
            done += len(piece)
            time.sleep(max(0.0, begun + done / 20e6 - time.monotonic()))


def tar(source: Path, target: Path, load: Load) -> None:
    """GNU tar opens without waiting, is refused, and comes again."""
    del load
    words = 'tar -C "$PLACE" -cf - "$NAME" | tar -xOf - > "$TARGET"; test "${PIPESTATUS[0]}" = 0'
    named = {"PLACE": str(source.parent), "NAME": source.name, "TARGET": str(target)}
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
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
    "20 MB/s": twenty_mb_per_second,
}


def wait_changed(file: Path) -> None:
    before = file.stat().st_mtime_ns
    wait_until(lambda: file.stat().st_mtime_ns != before, "the file follows")


def fill(mount: Mount) -> None:
    """Have copies take a while."""
    (mount / "large").write_bytes(random.Random(0).randbytes(24 << 20))


def test_every_copy_holds_what_was_acknowledged_before_it_began(
    mount: Mount, tmp_path: Path
) -> None:
    mount.start()
    fill(mount)
    copy = tmp_path / "copy.sqlite"
    with writers(mount.directory, tmp_path) as load:
        for _ in range(SOAK):
            for name, copier in COPIERS.items():
                wait_leased(mount.file)
                acknowledged = load.acknowledged()
                copier(mount.file, copy, load)
                assert_holds(copy, acknowledged)
                print(f"{name}: {copy.stat().st_size >> 20} MiB, {sum(acknowledged)} acknowledged")
                copy.unlink()
                load.wait_for_more()
        acknowledged = load.acknowledged()
    mount.unmount()
    assert_holds(mount.file, acknowledged)


def test_without_leases_copies_are_consistent_or_say_that_they_are_torn(
    mount: Mount, tmp_path: Path
) -> None:
    mount.start(command=WITHOUT_LEASES)
    fill(mount)
    copy, torn, taken = tmp_path / "copy.sqlite", 0, 4 * SOAK
    with writers(mount.directory, tmp_path) as load:
        remembered: list[tuple[float, list[int]]] = []
        for _ in range(taken):
            load.wait_for_more(20)
            assert not is_leased(mount.file)
            remembered.append((time.monotonic(), load.acknowledged()))
            wait_changed(mount.file)
            run("cp", mount.file, copy)
            known = [then for at, then in remembered if at < time.monotonic() - AGE_S_MAX]
            if is_torn(copy):
                torn += 1
            else:
                assert_holds(copy, (known or [[-1] * 3])[-1])
            copy.unlink()
        acknowledged = load.acknowledged()
    print(f"{torn} of {taken} copies said that they are torn")
    mount.unmount()
    assert_holds(mount.file, acknowledged)
