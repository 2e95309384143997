"""FUSE as the kernel sees it: whether it can be used here, and what is mounted where."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path


def why_fuse_is_unusable(directory: Path) -> str | None:
    """Mount and unmount an empty FUSE connection at `directory`, an empty directory.

    Returns None where that works and otherwise the reason, in one line.  Only a trial tells: a
    container may have the device and yet be denied the mount.
    """
    if not shutil.which("fusermount3"):
        return "fusermount3 is not installed"
    if not Path("/dev/fuse").exists():
        return "/dev/fuse does not exist"
    ours, theirs = socket.socketpair()
    with ours, theirs:
        trial = subprocess.run(
            ["fusermount3", "-o", "fsname=probe", "--", directory],
            env={**os.environ, "_FUSE_COMMFD": str(theirs.fileno())},
            pass_fds=[theirs.fileno()],
            capture_output=True,
            text=True,
        )
        if trial.returncode != 0:
            return " ".join(trial.stderr.split()) or "fusermount3 failed"
        _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
    detach(directory)
    for descriptor in descriptors:
        os.close(descriptor)
    return None


def mounts_below(directory: Path) -> list[Path]:
    """The mountpoints of FUSE file systems at or below `directory`, innermost first.

    Dead ones too: nothing but the kernel's list is looked at.
    """
    found = []
    for line in Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines():
        fields = line.split(" ")
        kind = fields[fields.index("-") + 1]
        mountpoint = Path(_unescaped(fields[4]))
        if kind.split(".")[0] in ("fuse", "fuseblk") and mountpoint.is_relative_to(
            directory.resolve()
        ):
            found.append(mountpoint)
    return found[::-1]


def detach(mountpoint: Path) -> None:
    """Unmount lazily: it works on a busy and on a dead mount as well."""
    subprocess.run(["fusermount3", "-u", "-z", "--", mountpoint], check=True, capture_output=True)


def _unescaped(field: str) -> str:
    """A field of mountinfo, where blanks and backslashes are octal."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
