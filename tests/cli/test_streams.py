"""Pipes, and contents much larger than the memory they may take."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import PASSPHRASE
from tests.cli.running import COMMAND, DEADLINE_S, ENVIRONMENT, fail, succeed

BIG_BYTES = 200 * 1024 * 1024
PEAK_BYTES_MAX = 256 * 1024 * 1024
UNLOCK = ["--passphrase-env", "PASSPHRASE"]

# A small process between us and the command: a child begins with its parent's peak.
MEASURE = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[2:])
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
open(sys.argv[1], "w").write(str(peak * 1024))
sys.exit(done.returncode)
"""


def test_content_from_and_to_pipes(shared_file: Path) -> None:
    content = os.urandom(3_000_000)
    succeed("put", shared_file, "-", "/piped", given=content)
    assert succeed("get", shared_file, "/piped", "-").output == content
    assert succeed("cat", shared_file, "/piped", "/piped").output == content * 2


def test_the_content_of_a_named_pipe(shared_file: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = subprocess.Popen(["sh", "-c", f"printf 'through a pipe' > '{pipe}'"])
    try:
        succeed("put", shared_file, pipe, "/x")
        assert writer.wait(DEADLINE_S) == 0
    finally:
        writer.kill()
        writer.wait()
    assert succeed("cat", shared_file, "/x").output == b"through a pipe"


def test_a_stream_needs_a_name(shared_file: Path) -> None:
    succeed("mkdir", shared_file, "/folder")
    for place in ("/folder", "/new/", "/"):
        fail("put", shared_file, "-", place, code=1, says="is a directory")


def test_standard_input_that_cannot_be_read(file: Path) -> None:
    unreadable = os.open("/dev/null", os.O_WRONLY)
    try:
        done = subprocess.run(
            [*COMMAND, "put", file, "-", "/x"],
            stdin=unreadable,
            capture_output=True,
            env=ENVIRONMENT,
            text=True,
        )
    finally:
        os.close(unreadable)
    assert (done.returncode, done.stderr) == (1, "sqlfs: '/dev/stdin': Bad file descriptor\n")


def test_nobody_reads_the_output(shared_file: Path) -> None:
    succeed("put", shared_file, "-", "/big", given=bytes(3_000_000))
    reading, writing = os.pipe()
    os.close(reading)
    try:
        for words in (["cat", shared_file, "/big"], ["ls", shared_file], ["--help"]):
            done = subprocess.run(
                [*COMMAND, *words], stdout=writing, stderr=subprocess.PIPE, env=ENVIRONMENT
            )
            assert (done.returncode, done.stderr) == (141, b"")
    finally:
        os.close(writing)


def test_output_to_a_full_disk(shared_file: Path) -> None:
    succeed("put", shared_file, "-", "/big", given=bytes(3_000_000))
    for words in (["cat", shared_file, "/big"], ["ls", shared_file], ["ls", "--json", shared_file]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                [*COMMAND, *words], stdout=full, stderr=subprocess.PIPE, env=ENVIRONMENT
            )
        assert done.returncode == 1
        assert done.stderr.startswith(b"sqlfs: can't write to standard output: No space")
        assert done.stderr.count(b"\n") == 1


def measured(peak: Path, *words: str | Path, stdin: Path, stdout: Path) -> int:
    """Run the command between files; its peak of resident memory, in bytes."""
    with stdin.open("rb") as source, stdout.open("wb") as target:
        subprocess.run(
            [sys.executable, "-c", MEASURE, peak, *COMMAND, *words],
            stdin=source,
            stdout=target,
            env={**ENVIRONMENT, "PASSPHRASE": PASSPHRASE},
            check=True,
        )
    return int(peak.read_text())


def digest(path: Path) -> bytes:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "blake2b").digest()


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("big") / "big"
    generator = random.Random(20240229)
    with path.open("wb") as stream:
        for _ in range(BIG_BYTES // (1 << 20)):
            stream.write(generator.randbytes(1 << 20))
    return path


@pytest.mark.parametrize("kind", ["plain", "encrypted"])
def test_big_files_take_little_memory(kind: str, big: Path, tmp_path: Path) -> None:
    file, out, peak = tmp_path / "volume.sqlite", tmp_path / "out", tmp_path / "peak"
    unlock = UNLOCK if kind == "encrypted" else []
    succeed("init", *unlock, file, environment={"PASSPHRASE": PASSPHRASE})
    null = Path("/dev/null")
    assert measured(peak, "put", *unlock, file, "-", "/a", stdin=big, stdout=null) < PEAK_BYTES_MAX
    assert measured(peak, "put", *unlock, file, big, "/b", stdin=null, stdout=null) < PEAK_BYTES_MAX
    assert file.stat().st_size < 1.1 * BIG_BYTES
    assert measured(peak, "cat", *unlock, file, "/a", stdin=null, stdout=out) < PEAK_BYTES_MAX
    assert digest(out) == digest(big)
    out.unlink()
    assert measured(peak, "get", *unlock, file, "/b", out, stdin=null, stdout=null) < PEAK_BYTES_MAX
    assert digest(out) == digest(big)
