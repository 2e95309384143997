"""The POSIX suite, run on a mount as anybody would."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mount.mounting import Mount

ROOT = Path(__file__).parent.parent.parent

# What pyfuse3 has no handler for, and what sqlfs does not do yet.  Anything else is a failure.
MAY_LACK = (
    "acl",
    "birth_time",
    "clone",
    "collapse_range",
    "fallocate",
    "holes",
    "inode_flags",
    "insert_range",
    "punch_hole",
    "tmpfile",
    "whiteout",
    "zero_range",
)


@pytest.fixture
def reachable(fuse: None) -> Iterator[Mount]:  # noqa: ARG001
    """A mount that other users reach: pytest's own folders are closed to them."""
    with tempfile.TemporaryDirectory(prefix="sqlfs-posix-") as place:
        Path(place).chmod(0o755)
        with Mount(Path(place)) as mount:
            yield mount


def test_a_mount_passes_the_posix_suite(reachable: Mount) -> None:
    reachable.start("-o", "suid,dev")
    # Only the mount is judged here: no timeouts and settings of the tests around it.
    environment = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "conformance.posix", reachable.directory),
            *("--may-lack", ",".join(MAY_LACK), "-q", "-p", "no:cacheprovider"),
        ],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
