"""Several commands on one file at the same time."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import sqlfs as api
from tests.cli.running import COMMAND, DEADLINE_S, ENVIRONMENT, succeed, wait_until


@contextmanager
def putting(file: Path, path: str) -> Iterator[subprocess.Popen[str]]:
    """A `put` that waits for its content."""
    with subprocess.Popen(
        [*COMMAND, "put", file, "-", path],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def users(file: Path) -> int:
    """How many commands use the file by way of the one that owns it."""
    if not file.with_name(file.name + "-wal").exists():
        return 0
    with api.open(file) as store:
        return sum(mount.door == "cli" for mount in store.mounts())


def give(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdin is not None
    process.stdin.write(text)
    process.stdin.close()


def test_those_who_write_through_the_first_go_on_without_it(file: Path) -> None:
    with ExitStack() as stack:
        owner = stack.enter_context(putting(file, "/first"))
        wait_until(lambda: users(file) == 1, "the first command opens the file")
        client = stack.enter_context(putting(file, "/second"))
        wait_until(lambda: users(file) == 2, "the second command opens the file")
        give(owner, "1")
        assert owner.stderr is not None
        assert owner.wait(DEADLINE_S) == 0
        assert owner.stderr.read() == ""
        assert succeed("cat", file, "/first").output == b"1"
        give(client, "2")
        assert client.wait(DEADLINE_S) == 0
    assert succeed("cat", file, "/first", "/second").output == b"12"


@pytest.mark.parametrize("words", [["ls", "--json"], ["info", "--json"], ["check"]], ids=str)
def test_readers_do_not_keep_each_other_out(file: Path, words: list[str]) -> None:
    with putting(file, "/x") as owner:
        wait_until(lambda: users(file) == 1, "the first command opens the file")
        succeed(words[0], file, *words[1:])
        give(owner, "x")
        assert owner.wait(DEADLINE_S) == 0
