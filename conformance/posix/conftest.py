"""Where the cases work, what they may ask for, and what is said at the end."""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest

from conformance.posix.capabilities import PROBES, missing
from conformance.posix.expect import wait_until
from conformance.posix.libc import set_inode_flags
from conformance.posix.processes import User, in_child

R = TypeVar("R")
Tick = Callable[[], None]


class AsUser:
    """Runs a function in a forked child that has become a user."""

    def __call__(self, user: User, function: Callable[[], R]) -> R:
        return in_child(function, user)


class Capabilities:
    """Answers of the probes, each asked at most once."""

    def __init__(self, directory: Path, may_lack: frozenset[str] | None) -> None:
        self.directory = directory
        self.may_lack = may_lack
        self.answers: dict[str, str | None] = {}

    def demand(self, name: str) -> None:
        """Skip the running case when the capability is missing, or fail it if it may not be."""
        if name not in self.answers:
            self.answers[name] = missing(name, self.directory)
        reason = self.answers[name]
        if reason is None:
            return
        if self.may_lack is not None and name not in self.may_lack:
            pytest.fail(f"capability {name} is missing: {reason}")
        pytest.skip(f"no {name}: {reason}")


CAPABILITIES = pytest.StashKey[Capabilities]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("posix")
    group.addoption("--directory", help="where to test")
    group.addoption(
        "--may-lack",
        metavar="NAME[,NAME...]",
        help="the capabilities whose cases may be skipped (default: any); others must be there",
    )


def pytest_configure(config: pytest.Config) -> None:
    directory = config.getoption("--directory")
    if directory is None:
        raise pytest.UsageError("no directory to test in: python -m conformance.posix DIR")
    text = config.getoption("--may-lack")
    may_lack = None if text is None else frozenset(filter(None, text.split(",")))
    if may_lack and not may_lack <= PROBES.keys():
        raise pytest.UsageError(f"--may-lack knows {', '.join(PROBES)}")
    config.stash[CAPABILITIES] = Capabilities(Path(directory), may_lack)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    terminalreporter.section("capabilities")
    for name, reason in sorted(config.stash[CAPABILITIES].answers.items()):
        terminalreporter.write_line(f"{name:16} {'yes' if reason is None else f'no: {reason}'}")


@pytest.fixture(scope="session")
def capabilities(request: pytest.FixtureRequest) -> Capabilities:
    return request.config.stash[CAPABILITIES]


@pytest.fixture(autouse=True)
def _needs(request: pytest.FixtureRequest, capabilities: Capabilities) -> None:
    for mark in request.node.iter_markers("needs"):
        for name in mark.args:
            capabilities.demand(name)


@pytest.fixture(scope="session")
def root(capabilities: Capabilities) -> Iterator[Path]:
    """The directory that holds the places of all cases."""
    path = Path(tempfile.mkdtemp(dir=capabilities.directory, prefix="posix-"))
    path.chmod(0o755)
    yield path
    remove(path)


@pytest.fixture
def place(root: Path, _needs: None) -> Iterator[Path]:
    """An empty directory, mode 0755, owned by the runner; gone afterwards."""
    path = Path(tempfile.mkdtemp(dir=root, prefix="place-"))
    path.chmod(0o755)
    here, umask = os.getcwd(), os.umask(0o022)
    yield path
    os.umask(umask)
    os.chdir(here)
    remove(path)


@pytest.fixture
def as_user(capabilities: Capabilities) -> AsUser:
    """``as_user(user, function)`` is what `function` returns or raises in a process of `user`."""
    capabilities.demand("users")
    return AsUser()


@pytest.fixture
def tick(root: Path) -> Tick:
    """Called, it returns when the file system's clock shows a later time than before."""
    watch = root / "watch"
    watch.touch()

    def now() -> int:
        watch.write_bytes(b"x")
        return os.stat(watch).st_ctime_ns

    def wait() -> None:
        before = now()
        wait_until(lambda: now() > before, "the file system's clock stands still")

    return wait


def remove(path: Path) -> None:
    """Remove a tree, however deep, whatever its modes and flags."""
    command = ["rm", "-rf", "--", str(path)]
    if subprocess.run(command, capture_output=True).returncode == 0:
        return
    for folder, folders, files in os.walk(path):
        for it in (os.path.join(folder, name) for name in [*folders, *files]):
            _loosen(it)
    subprocess.run(command, check=True, capture_output=True)


def _loosen(path: str) -> None:
    kind = stat.S_IFMT(os.lstat(path).st_mode)
    if kind in (stat.S_IFREG, stat.S_IFDIR):
        with suppress(OSError):
            set_inode_flags(path, 0)
    if kind == stat.S_IFDIR:
        os.chmod(path, 0o700)
