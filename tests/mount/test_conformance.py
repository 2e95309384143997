"""The POSIX suite, run on a mount as anybody would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.mount.mounting import Mount

ROOT = Path(__file__).parent.parent.parent

# What the kernel asks no FUSE file system for, the flags of chattr(1), and room that is taken
# before it is used.  Anything else that is missing is a failure.
MAY_LACK = (
    "clone",
    "collapse_range",
    "inode_flags",
    "insert_range",
    "preallocation",
)


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
