"""What every test may rely on: FUSE or a clear word why not, and no mount left behind."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.fuse_mounts import detach, mounts_below, why_fuse_is_unusable

# How long an example takes depends on who else uses the machine; it says nothing of the code.
settings.register_profile(
    "sqlfs", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("sqlfs")


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
