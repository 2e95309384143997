"""Ctrl-C, SIGTERM and the progress bar: what a person at a terminal meets."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import sqlfs as api
from sqlfs.cli.progress import LONG_BYTES
from tests.cli.running import COMMAND, DEADLINE_S, ENVIRONMENT, at_terminal, succeed, wait_until


@pytest.fixture
def waiting(file: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A `put` that owns the file, has stored something, and waits for more to come."""
    with subprocess.Popen(
        [*COMMAND, "put", file, "-", "/part"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    ) as process:
        try:
            wait_until(lambda: is_in_use(file), "the command opens the file")
            yield process
        finally:
            process.kill()


def is_in_use(file: Path) -> bool:
    if not file.with_name(file.name + "-wal").exists():
        return False
    with api.open(file) as store:
        return any(mount.door == "cli" for mount in store.mounts())


@pytest.mark.parametrize(
    ("number", "code", "says"),
    [(signal.SIGINT, 130, "sqlfs: interrupted\n"), (signal.SIGTERM, 143, "")],
)
def test_signals(
    waiting: subprocess.Popen[bytes], file: Path, number: signal.Signals, code: int, says: str
) -> None:
    waiting.send_signal(number)
    assert waiting.wait(DEADLINE_S) == code
    assert waiting.stderr is not None
    assert waiting.stderr.read().decode() == says
    assert not file.with_name(file.name + "-wal").exists()
    assert succeed("ls", file).lines == ["part"]


def test_progress_is_shown_for_long_transfers_only(file: Path, tmp_path: Path) -> None:
    local = tmp_path / "local"
    local.write_bytes(os.urandom(1 << 20) * (LONG_BYTES >> 20))
    for words in (["put", file, local, "/long"], ["get", file, "/long", tmp_path / "out"]):
        shown = at_terminal(*words)
        assert shown.code == 0
        assert words[0] in shown.text
        assert "MiB" in shown.text
        assert "/s" in shown.text
    assert (tmp_path / "out").read_bytes() == local.read_bytes()
    os.truncate(local, LONG_BYTES - 1)
    assert at_terminal("put", file, local, "/short").output == b""


def test_progress_is_shown_at_a_terminal_only(file: Path, tmp_path: Path) -> None:
    local = tmp_path / "local"
    local.write_bytes(bytes(LONG_BYTES))
    assert succeed("put", file, local, "/long").output == b""


def test_progress_does_not_mix_with_content(file: Path) -> None:
    content = os.urandom(1 << 20) * (LONG_BYTES >> 20)
    succeed("put", file, "-", "/long", given=content)
    assert succeed("get", file, "/long", "-").output == content
