"""What every test may rely on: FUSE or a clear word why not, and no mount left behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.fuse_mounts import detach, mounts_below, why_fuse_is_unusable

# Tests start hundreds of processes: without bytecode that is kept, each would compile all modules.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# How long an example takes depends on who else uses the machine; it says nothing of the code.
settings.register_profile(
    "sqlfs", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("sqlfs")

# Far beyond any test on a slow machine: what takes longer waits for something that never comes.
HANG_S = 300 * int(os.environ.get("SQLFS_SOAK", "1"))


def _in_ci() -> bool:
    return os.environ.get("CI", "") not in ("", "0", "false")


@pytest.fixture(scope="session")
def fuse(tmp_path_factory: pytest.TempPathFactory) -> None:
    """For tests that mount: skips them where FUSE can't be used, and fails them there in CI."""
    reason = why_fuse_is_unusable(tmp_path_factory.mktemp("probe"))
    if reason and _in_ci():
        pytest.fail(f"FUSE must be usable in CI: {reason}")
    if reason:
        pytest.skip(f"FUSE is not usable: {reason}")


@pytest.fixture(scope="session", autouse=True)
def _no_mount_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Being the first fixture of all, it ends after every other."""
    yield
    left = mounts_below(tmp_path_factory.getbasetemp())
    for mountpoint in left:
        detach(mountpoint)
    if left:
        pytest.fail("tests left mounts behind: " + ", ".join(map(str, left)))


@pytest.fixture(autouse=True)
def _no_hang() -> Iterator[None]:
    """A test that hangs fails, by name, and what it holds is given back."""

    def fail(*_: object) -> None:
        pytest.fail(f"hung: not done within {HANG_S} s")

    before = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, HANG_S)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
