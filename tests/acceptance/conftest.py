"""A real tree, and volumes to put it in."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.volumes import Volume
from tests.mount.mounting import run

# What others have put there, and what is large for its number of files.
LEFT_OUT = ("site-packages", "dist-packages", "__pycache__", "config-*")


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python's standard library, and links of both kinds; nobody may change it."""
    top = tmp_path_factory.mktemp("library")
    source = sysconfig.get_path("stdlib")
    copy = 'top=$1 source=$2; shift 2; tar -C "$source" "$@" -cf - . | tar -C "$top" -xf -'
    run("sh", "-c", copy, "sh", top, source, *(f"--exclude={each}" for each in LEFT_OUT))
    (top / "link-to-os").symlink_to("os.py")
    (top / "dangling-link").symlink_to("nowhere-at-all/its-target")
    (top / "second-name-of-os.py").hardlink_to(top / "os.py")
    os.utime(top / "os.py", ns=(1_000_000_001, 1_234_567_890_123_456_789))
    return top


@pytest.fixture(params=["plain", "encrypted"])
def volume(
    request: pytest.FixtureRequest,
    fuse: None,  # noqa: ARG001
    tmp_path: Path,
) -> Iterator[Volume]:
    """A new volume, mounted; once plain, once encrypted."""
    with Volume(tmp_path, encrypted=request.param == "encrypted") as volume:
        volume.make()
        yield volume
