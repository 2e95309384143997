"""The model's ACLs are those of this machine's own file system, where that has any."""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from sqlfs.types import AttributeChanges, Caller
from tests.contract import acl_values
from tests.contract.acl_values import ACCESS, DEFAULT
from tests.model.session import ModelSession

VALUES = [
    b"",
    acl_values.acl(),
    acl_values.acl("owner:6", version=3),
    acl_values.acl("owner:7:1", "group:5:2", "mask:2:3", "other:1:4"),
    acl_values.acl("owner:7", "user:6:5", "user:1:5", "group:5", "mask:4", "other:1"),
    acl_values.MINIMAL,
    acl_values.NAMED,
    acl_values.MASKED,
    acl_values.MANY,
    *acl_values.UNSOUND.values(),
]
STEPS = 300


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    probe = tmp_path / "probe"
    probe.mkdir()
    try:
        os.setxattr(probe, DEFAULT, acl_values.NAMED)
    except OSError as error:
        pytest.skip(f"no ACLs on the file system of {tmp_path}: {error}")
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(0o755)
    return folder


class Both:
    """The same steps on a folder of the host and in the model."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._host = folder
        self._model = ModelSession()
        self._chance = random.Random(seed)
        self._paths = [b"/"]

    def step(self) -> None:
        verb = self._chance.choice([self._make, self._set, self._set, self._remove, self._chmod])
        path = self._chance.choice(self._paths)
        on_host, in_model = verb(path)
        failed = [_errno_of(on_host), _errno_of(in_model)]
        assert failed[0] == failed[1], (verb.__name__, path)
        for path in self._paths:
            assert self._shown_by_host(path) == self._shown_by_model(path), verb.__name__

    def _make(self, parent: bytes) -> tuple[Callable[[], object], Callable[[], object]]:
        chance = self._chance
        kind, name = chance.choice(["dir", "file", "fifo", "symlink"]), b"%d" % len(self._paths)
        mode, umask = chance.choice([0o777, 0o666, 0o640]), chance.choice([0, 0o022, 0o077])
        session = self._model
        if not session.resolve(parent, follow=False).is_dir:
            parent = b"/"
        path = parent.rstrip(b"/") + b"/" + name
        place = self._on_host(path)
        caller = Caller(os.geteuid(), os.getegid(), umask)
        self._paths.append(path)

        def on_host() -> None:
            before = os.umask(umask)
            try:
                if kind == "dir":
                    place.mkdir(mode)
                elif kind == "file":
                    os.close(os.open(place, os.O_CREAT | os.O_EXCL, mode))
                elif kind == "fifo":
                    os.mkfifo(place, mode)
                else:
                    place.symlink_to("target")
            finally:
                os.umask(before)

        def in_model() -> object:
            at = session.resolve(parent, follow=False).node
            if kind == "dir":
                return session.mkdir(at, name, mode, caller)
            if kind == "symlink":
                return session.symlink(at, name, b"target", caller)
            type_ = stat.S_IFREG if kind == "file" else stat.S_IFIFO
            return session.mknod(at, name, type_ | mode, 0, caller)

        return on_host, in_model

    def _set(self, path: bytes) -> tuple[Callable[[], object], Callable[[], object]]:
        name, value = self._chance.choice([ACCESS, DEFAULT]), self._chance.choice(VALUES)
        return (
            lambda: os.setxattr(self._on_host(path), name, value, follow_symlinks=False),
            lambda: self._model.setxattr(self._node(path), name, value),
        )

    def _remove(self, path: bytes) -> tuple[Callable[[], object], Callable[[], object]]:
        name = self._chance.choice([ACCESS, DEFAULT])
        return (
            lambda: os.removexattr(self._on_host(path), name, follow_symlinks=False),
            lambda: self._model.removexattr(self._node(path), name),
        )

    def _chmod(self, path: bytes) -> tuple[Callable[[], object], Callable[[], object]]:
        mode = self._chance.randrange(0o1000)
        if self._model.resolve(path, follow=False).is_symlink:
            path = b"/"
        return (
            lambda: self._on_host(path).chmod(mode),
            lambda: self._model.setattr(self._node(path), AttributeChanges(mode=mode)),
        )

    def _node(self, path: bytes) -> int:
        return self._model.resolve(path, follow=False).node

    def _on_host(self, path: bytes) -> Path:
        return self._host / os.fsdecode(path.lstrip(b"/"))

    def _shown_by_host(self, path: bytes) -> object:
        place = self._on_host(path)
        names = os.listxattr(place, follow_symlinks=False)
        acls = {
            os.fsencode(name): os.getxattr(place, name, follow_symlinks=False)
            for name in names
            if name.startswith("system.posix_acl")
        }
        return path, place.lstat().st_mode, acls

    def _shown_by_model(self, path: bytes) -> object:
        node = self._node(path)
        acls = {name: self._model.getxattr(node, name) for name in self._model.listxattr(node)}
        return path, self._model.getattr(node).mode, acls


def _errno_of(verb: Callable[[], object]) -> int | None:
    try:
        verb()
    except OSError as error:
        return error.errno
    return None


@pytest.mark.skipif(os.geteuid() != 0, reason="other users meet the permissions that ACLs give")
@pytest.mark.parametrize("seed", range(3))
def test_same_as_the_host(folder: Path, seed: int) -> None:
    both = Both(folder, seed)
    for _ in range(STEPS):
        both.step()
