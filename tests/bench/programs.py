"""Workloads that programs make: tar, rm, git, SQLite."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from contextlib import closing
from functools import cached_property
from pathlib import Path

from tests.bench import material
from tests.bench.workload import Workload

_GIT = ("git", "-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "gc.auto=0")
_ROW_BYTES = 200


def _run(*command: str | Path, folder: Path, said: bytes = b"") -> None:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C"}
    done = subprocess.run(command, cwd=folder, input=said, capture_output=True, env=environment)
    if done.returncode:
        raise OSError(f"{command[0]} failed: {done.stderr.decode(errors='replace').strip()}")


class _Tree(Workload[Path]):
    """A tree of sources."""

    unit = "files/s"

    @property
    def amount(self) -> float:
        return self.sizes.tree_files

    @cached_property
    def archive(self) -> bytes:
        return material.tar(self.sizes.tree_files)

    def extract(self, root: Path) -> None:
        _run("tar", "--extract", "--file", "-", folder=root, said=self.archive)


class Extract(_Tree):
    """tar x."""

    name = "tar-x"
    fresh = True

    def prepare(self, root: Path) -> None:
        del root
        assert self.archive

    def run(self, root: Path, round_number: int) -> None:
        del round_number
        self.extract(root)


class Remove(_Tree):
    """rm -rf."""

    name = "rm-rf"
    fresh = True

    def prepare(self, root: Path) -> None:
        self.extract(root)

    def run(self, root: Path, round_number: int) -> None:
        del round_number
        _run("rm", "-rf", root / "tree", folder=root)


class _Repository(_Tree):
    def prepare(self, root: Path) -> None:
        self.extract(root)
        self._git(root, "init", "--quiet", "--initial-branch=one")
        self._commit(root)
        self._git(root, "checkout", "--quiet", "-b", "two")
        for number, (path, content) in enumerate(material.tree(self.sizes.tree_files)):
            if number % 2:
                (root / path).write_bytes(content[::-1])
        self._commit(root)

    def _commit(self, root: Path) -> None:
        self._git(root, "add", "--all")
        self._git(root, "commit", "--quiet", "--message=all")

    def _git(self, root: Path, *arguments: str) -> None:
        safe = ("-c", f"safe.directory={root / 'tree'}")
        _run(*_GIT, *safe, *arguments, folder=root / "tree")


class GitStatus(_Repository):
    """git status of a repository in which nothing was changed."""

    name = "git-status"
    cold = True

    def run(self, root: Path, round_number: int) -> None:
        del round_number
        self._git(root, "status", "--porcelain")


class GitCheckout(_Repository):
    """git checkout of a branch in which every other file has another content."""

    name = "git-checkout"

    @property
    def amount(self) -> float:
        return self.sizes.tree_files // 2

    def run(self, root: Path, round_number: int) -> None:
        self._git(root, "checkout", "--quiet", "two" if round_number % 2 else "one")


class Transactions(Workload[Path]):
    """SQLite, rollback journal and full durability as it comes: one row a transaction."""

    name = "sqlite"
    unit = "transactions/s"
    fresh = True

    @property
    def amount(self) -> float:
        return self.sizes.transactions

    def prepare(self, root: Path) -> None:
        with closing(sqlite3.connect(root / "database")) as connection:
            connection.execute("CREATE TABLE entry (number INTEGER PRIMARY KEY, text BLOB)")

    def run(self, root: Path, round_number: int) -> None:
        del round_number
        with closing(sqlite3.connect(root / "database", isolation_level=None)) as connection:
            for _ in range(self.sizes.transactions):
                row = (os.urandom(_ROW_BYTES),)
                connection.execute("INSERT INTO entry (text) VALUES (?)", row)


WORKLOADS: tuple[type[Workload[Path]], ...] = (
    Extract,
    Remove,
    GitStatus,
    GitCheckout,
    Transactions,
)
