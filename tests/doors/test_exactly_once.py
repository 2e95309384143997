"""The owner dies at each step of each verb: what a client asked for is done once, and answered."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import sqlfs
from sqlfs.owner import succession
from sqlfs.types import AllocateMode, AttributeChanges, Attributes, Caller, RenameFlag
from sqlfs.volume.session import Session
from tests.owner.processes import Program, running, socket_of

ME = Caller(0, 0)
STEPS = ("before", "applied", "committed")
CONTENT = b"0123456789" * 1000


@dataclass(frozen=True)
class Tree:
    """What every test begins with: a file `a` with content, open, and an empty directory `d`."""

    session: Session
    file: int
    directory: int
    handle: int

    @property
    def root(self) -> int:
        return self.session.root

    def content(self, node: int | None = None) -> bytes:
        handle = self.session.open(self.file if node is None else node, os.O_RDONLY)
        try:
            return self.session.read(handle, 0, 1_000_000)
        finally:
            self.session.release(handle)

    def names(self) -> list[bytes]:
        return [entry.name for entry in self.session.readdir(self.root, 0, 100)]


Do = Callable[[Tree], Any]
Check = Callable[[Tree, Any], object]


def made(name: bytes) -> Check:
    def check(tree: Tree, answer: Attributes) -> None:
        assert answer.node == tree.session.lookup(tree.root, name).node
        assert tree.names() == [b"a", b"d", name]

    return check


def opened(name: bytes) -> Check:
    def check(tree: Tree, answer: tuple[Attributes, int]) -> None:
        attributes, handle = answer
        made(name)(tree, attributes)
        tree.session.write(handle, 0, b"new")
        assert tree.content(attributes.node) == b"new"

    return check


def nameless(tree: Tree, answer: tuple[Attributes, int]) -> None:
    attributes, handle = answer
    tree.session.write(handle, 0, b"new")
    tree.session.link(attributes.node, tree.root, b"new")
    assert tree.content(attributes.node) == b"new"
    assert tree.names() == [b"a", b"d", b"new"]


def names(*expected: bytes) -> Check:
    def check(tree: Tree, answer: object) -> None:
        del answer
        assert tree.names() == list(expected)

    return check


def linked(tree: Tree, answer: Attributes) -> None:
    assert (answer.node, answer.nlink) == (tree.file, 2)
    assert tree.session.getattr(tree.file).nlink == 2


def content(expected: bytes, returned: object = None) -> Check:
    def check(tree: Tree, answer: object) -> None:
        assert answer == returned
        assert tree.content() == expected

    return check


def truncated(tree: Tree, handle: int) -> None:
    assert tree.content() == b""
    tree.session.write(handle, 0, b"new")
    assert tree.content() == b"new"


def appended(tree: Tree, answer: int) -> None:
    assert answer == 4
    assert tree.content() == CONTENT + b"more"


def append(tree: Tree) -> int:
    handle = tree.session.open(tree.file, os.O_WRONLY | os.O_APPEND)
    try:
        return tree.session.write(handle, 0, b"more")
    finally:
        tree.session.release(handle)


def copy(tree: Tree) -> int:
    return tree.session.copy_range(tree.handle, 0, tree.handle, 10_000, 5000)


VERBS: dict[str, tuple[Do, Check]] = {
    "mknod": (lambda t: t.session.mknod(t.root, b"new", 0o100644, 0, ME), made(b"new")),
    "mkdir": (lambda t: t.session.mkdir(t.root, b"new", 0o755, ME), made(b"new")),
    "symlink": (lambda t: t.session.symlink(t.root, b"new", b"to", ME), made(b"new")),
    "link": (lambda t: t.session.link(t.file, t.root, b"new"), linked),
    "clone": (lambda t: t.session.clone(t.file, t.root, b"new", ME), made(b"new")),
    "unlink": (lambda t: t.session.unlink(t.root, b"a"), names(b"d")),
    "rmdir": (lambda t: t.session.rmdir(t.root, b"d"), names(b"a")),
    "rename": (
        lambda t: t.session.rename(t.root, b"a", t.root, b"d2", RenameFlag.NOREPLACE),
        lambda t, _: _moved(t),
    ),
    "setattr": (
        lambda t: t.session.setattr(t.file, AttributeChanges(mode=0o600)),
        lambda t, answer: _same(answer.mode & 0o777, t.session.getattr(t.file).mode & 0o777, 0o600),
    ),
    "setxattr": (
        lambda t: t.session.setxattr(t.file, b"user.new", b"value"),
        lambda t, _: _same(t.session.getxattr(t.file, b"user.new"), b"value"),
    ),
    "removexattr": (
        lambda t: t.session.removexattr(t.file, b"user.old"),
        lambda t, _: _same(t.session.listxattr(t.file), []),
    ),
    "create": (lambda t: t.session.create(t.root, b"new", 0o644, os.O_RDWR, ME), opened(b"new")),
    "tmpfile": (lambda t: t.session.tmpfile(t.root, 0o644, os.O_RDWR, ME), nameless),
    "open": (lambda t: t.session.open(t.file, os.O_RDWR | os.O_TRUNC), truncated),
    "write": (append, appended),
    "allocate": (
        lambda t: t.session.allocate(t.handle, AllocateMode.ZERO_RANGE, 9_999, 2),
        content(CONTENT[:-1] + b"\0\0"),
    ),
    "copy_range": (copy, content(CONTENT + CONTENT[:5000], 5000)),
}


def _same(*values: object) -> None:
    assert all(value == values[0] for value in values)


def _moved(tree: Tree) -> None:
    assert set(tree.names()) == {b"d", b"d2"}
    assert tree.session.lookup(tree.root, b"d2").node == tree.file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "volume.sqlite"
    with sqlfs.open(path, create=True) as store:
        store.create_volume("main", chunk_size=4096)
        with store.mount() as files:
            files.write_bytes("/a", CONTENT)
            files.setxattr("/a", "user.old", b"value")
            files.mkdir("/d")
    return path


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def begin(path: Path, stack: ExitStack, verb: str, step: str) -> tuple[Tree, Program]:
    owner = stack.enter_context(running("tests.doors.dying", path, verb, step))
    stack.callback(socket_of(path).unlink, missing_ok=True)
    store = stack.enter_context(sqlfs.open(path))
    assert not store.is_owner
    session = store.session("main")
    file = session.lookup(session.root, b"a").node
    directory = session.lookup(session.root, b"d").node
    return Tree(session, file, directory, session.open(file, os.O_RDWR)), owner


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("verb", VERBS)
def test_by_the_client_that_follows(path: Path, stack: ExitStack, verb: str, step: str) -> None:
    tree, _ = begin(path, stack, verb, step)
    do, check = VERBS[verb]
    check(tree, do(tree))
    tree.session.fsync(tree.handle)
    tree.session.close()


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("verb", ["mkdir", "create", "write"])
def test_by_another_client(
    path: Path, stack: ExitStack, verb: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(succession, "_HEAD_START_S", 5.0)
    tree, _ = begin(path, stack, verb, step)
    follower = stack.enter_context(running("tests.doors.following", path))
    do, check = VERBS[verb]
    check(tree, do(tree))
    tree.session.fsync(tree.handle)
    follower.say("role")
    follower.expect("owner")
    tree.session.close()
