"""The POSIX suite, run on a mount as anybody would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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
