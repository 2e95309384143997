"""git inside a mount: all that its own file formats, locks, renames and maps ask for."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.mount.mounting import Mount, run
from tests.mount.test_programs import again, begin, end_sound, needs

pytestmark = needs("git")


class Repository:
    """A folder with git's commands, by nobody in particular and with nobody's configuration."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __truediv__(self, name: str) -> Path:
        return self.directory / name

    def __call__(self, *arguments: str | Path) -> str:
        identity = ("-c", "user.name=Test", "-c", "user.email=test@localhost")
        quiet = ("-c", "init.defaultBranch=main", "-c", "advice.detachedHead=false")
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_EDITOR": "true"}
        return run(
            *("git", *identity, *quiet, "-C", self.directory, *arguments), env=environment
        ).stdout

    def commit(self, name: str, text: str) -> None:
        (self / name).write_text(text)
        self("add", name)
        self("commit", "-m", name)

    def clone(self, target: Path, *options: str) -> Repository:
        self("clone", *options, ".", target)
        return Repository(target)


@pytest.fixture
def source(tmp_path: Path) -> Repository:
    """A repository beside the mount: some hundred files, a few commits."""
    top = tmp_path / "source"
    compiled = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(os.__file__).parent / "json", top / "json", ignore=compiled)
    for number in range(100):
        directory = top / f"directory-{number % 10}"
        directory.mkdir(exist_ok=True)
        (directory / f"file-{number}").write_text(f"{number}\n" * number)
    (top / "large").write_bytes(os.urandom(1_000_000))
    (top / "symlink").symlink_to("json/__init__.py")
    (top / "program").write_text("#!/bin/sh\n")
    (top / "program").chmod(0o755)
    git = Repository(top)
    git("init")
    git("add", ".")
    git("commit", "-m", "all")
    for number in range(5):
        git.commit("changing", f"{number}\n" * 5)
    return git


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
def test_clone_change_collect(mount: Mount, source: Repository, encrypted: bool) -> None:
    begin(mount, encrypted=encrypted)
    git = source.clone(mount / "clone", "--no-local")
    assert git("status", "--porcelain") == ""
    (git / "program").write_text("changed")
    git("commit", "-a", "-m", "last")
    git("gc", "--prune=now")
    git("repack", "-a", "-d", "--write-bitmap-index")
    git("commit-graph", "write", "--reachable")
    git("pack-refs", "--all")
    again(mount)
    assert git("fsck", "--strict", "--full") == ""
    assert git("status", "--porcelain") == ""
    git("checkout", "HEAD~3")
    git("checkout", "main")
    assert git("log", "--format=%s").split() == ["last", *["changing"] * 5, "all"]
    end_sound(mount)


def test_branches(mount: Mount, source: Repository) -> None:
    begin(mount)
    git = source.clone(mount / "clone")
    git("checkout", "-b", "topic", "HEAD~2")
    for name in ("one", "two", "three"):
        git.commit(name, name)
    (git / "one").write_text("not yet")
    git("stash")
    assert (git / "one").read_text() == "one"
    git("rebase", "main")
    git("stash", "pop")
    assert git("status", "--porcelain") == " M one\n"
    git("commit", "-a", "--amend", "-m", "three and one")
    git("-c", "sequence.editor=sed -i 2s/pick/squash/", "rebase", "-i", "HEAD~3")
    git("checkout", "main")
    git("merge", "--no-ff", "-m", "merged", "topic")
    assert git("log", "--format=%s", "--first-parent", "-2").split() == ["merged", "changing"]
    assert len(git("log", "--format=%s", "main^..main").splitlines()) == 3
    again(mount)
    assert (git / "one").read_text() == "not yet"
    assert git("status", "--porcelain") == ""
    assert git("fsck", "--strict", "--no-dangling") == ""
    end_sound(mount)


def test_clones_and_worktrees(mount: Mount, source: Repository) -> None:
    begin(mount)
    git = source.clone(mount / "clone", "--no-local")
    linked = git.clone(mount / "linked")
    packs = list((linked / ".git/objects/pack").glob("*.pack"))
    assert packs
    assert {pack.stat().st_nlink for pack in packs} == {2}
    git("worktree", "add", "-b", "aside", mount / "worktree")
    worktree = Repository(mount / "worktree")
    worktree.commit("new", "from the worktree")
    linked("fetch", "origin")
    linked("merge", "origin/aside")
    linked("push", "origin", "HEAD:pushed")
    git("bundle", "create", mount / "all.bundle", "--all")
    again(mount)
    assert git("rev-parse", "pushed") == worktree("rev-parse", "HEAD") == linked("rev-parse", "@")
    bundled = Repository(mount.directory)
    bundled("clone", "--branch", "pushed", mount / "all.bundle", "from-bundle")
    assert (mount / "from-bundle" / "new").read_text() == "from the worktree"
    git("worktree", "remove", mount / "worktree")
    assert not (mount / "worktree").exists()
    assert git("fsck", "--strict") == ""
    assert git("update-index", "--test-untracked-cache") == ""
    end_sound(mount)
