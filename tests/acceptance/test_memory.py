"""No process of sqlfs takes more than 256 MiB, whatever it works on."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.peak import SMALL_FILES
from tests.acceptance.volumes import MEMORY_BYTES_MAX, PASSPHRASE, Volume, random_file
from tests.mount.mounting import ENVIRONMENT, run

# More than may be resident: whoever holds it all is found out.
LARGE_BYTES = MEMORY_BYTES_MAX + 64 * 2**20


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with random_file(tmp_path_factory.mktemp("large") / "large", LARGE_BYTES) as path:
        yield path


def peak_of(*words: str | Path) -> int:
    """What a use of sqlfs in a process of its own takes, in bytes; see ``peak.py``."""
    done = run(sys.executable, "-m", "tests.acceptance.peak", *words, env=ENVIRONMENT, timeout=None)
    return int(done.stderr.splitlines()[-1])


@pytest.fixture
def encrypted(fuse: None, tmp_path: Path) -> Volume:  # noqa: ARG001
    return Volume(tmp_path, encrypted=True)


def test_the_measure_sees_memory() -> None:
    script = (
        "from tests.acceptance.volumes import peak_bytes;"
        f"held = bytearray(b'x') * {MEMORY_BYTES_MAX}; del held; print(peak_bytes('self'))"
    )
    assert int(run(sys.executable, "-c", script, env=ENVIRONMENT).stdout) > MEMORY_BYTES_MAX


def test_of_a_mount(encrypted: Volume, large: Path) -> None:
    with encrypted as volume:
        volume.make()
        run("cp", large, volume / "large")
        run("cmp", large, volume / "large")
        (volume / "small").mkdir()
        for number in range(SMALL_FILES):
            (volume / "small" / str(number)).write_bytes(os.urandom(100))
        assert len(run("ls", "-l", volume / "small").stdout.splitlines()) == SMALL_FILES + 1
        assert volume.peak_bytes() < MEMORY_BYTES_MAX
        volume.remount()
        assert sum(entry.stat().st_size for entry in os.scandir(volume / "small")) == (
            100 * SMALL_FILES
        )
        assert volume.peak_bytes() < MEMORY_BYTES_MAX


@pytest.mark.parametrize("kind", ["plain", "encrypted"])
def test_of_an_owning_program(kind: str, large: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(PASSPHRASE)
    words = [secret] * (kind == "encrypted")
    path = tmp_path / "volume.sqlite"
    assert peak_of("api", path, large, *words) < MEMORY_BYTES_MAX
    path.unlink()


def test_of_put_and_get(volume: Volume, large: Path, tmp_path: Path) -> None:
    """First as clients of a mount, which has to bear them too; then alone."""
    out = tmp_path / "out"
    for name in ("/served", "/alone"):
        put = ["command", "put", *volume.words, volume.file, large, name]
        assert peak_of(*put) < MEMORY_BYTES_MAX
        get = ["command", "get", *volume.words, volume.file, name, out]
        assert peak_of(*get) < MEMORY_BYTES_MAX
        run("cmp", large, out)
        out.unlink()
        if volume.is_mounted:
            assert volume.peak_bytes() < MEMORY_BYTES_MAX
            volume.unmount()
