"""``sqlfs umount``: ending a mount, and returning when its file is whole."""

from __future__ import annotations

import argparse
import os
import subprocess
import time
from pathlib import Path
from typing import Final

from sqlfs import owner
from sqlfs.cli.command import Command
from sqlfs.cli.kernel_mounts import KernelMount, kernel_mounts
from sqlfs.cli.target import split_target
from sqlfs.errors import (
    InUse,
    MountFailed,
    NotFound,
    NotSupported,
    PeerRefused,
    SqlfsError,
)

# How long a process may take to close its file once the kernel has taken its mount away.
_CLOSED_S_MAX: Final = 60.0
_RETRY_S: Final = 0.05


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", metavar="DIR|FILE", help="the mountpoint, or the volume file that is mounted"
    )


def _run(arguments: argparse.Namespace) -> int:
    mount = _mounted_at(arguments.what)
    if mount is not None:
        _end(mount)
        return 0
    path, volume = split_target(arguments.what, None)
    if path.is_dir():
        raise NotFound(f"nothing of sqlfs is mounted at {arguments.what}")
    for where in _mountpoints(path, volume):
        _end(_mounted_at(where) or KernelMount(where, str(path.absolute()), False))
    return 0


def _mounted_at(place: str) -> KernelMount | None:
    """The uppermost mount at `place`, which may be dead: nothing but what leads there is asked."""
    parent, name = os.path.split(os.path.abspath(place))  # noqa: PTH100
    spelt = {str(Path(os.path.realpath(parent)) / name), os.path.realpath(place)}
    return next((mount for mount in reversed(kernel_mounts()) if mount.where in spelt), None)


def _mountpoints(path: Path, volume: str | None) -> list[str]:
    """Where the file is mounted.  Raises NotFound when it is not."""
    try:
        with owner.open(path, read_only=True) as store:
            mounts = [mount for mount in store.mounts() if mount.door == "fuse"]
            found = [mount.where for mount in mounts if volume in (None, mount.volume)]
    except (InUse, PeerRefused):
        # Its owner can't be asked; the kernel can.
        place = os.path.realpath(path)
        found = [mount.where for mount in kernel_mounts() if mount.source == place]
        if not found:
            raise
    if not found:
        raise NotFound(f"{path} is not mounted")
    return found


def _end(mount: KernelMount) -> None:
    """Ask the process behind the mount; where it can't be asked, have the kernel end it."""
    file = Path(mount.source)
    try:
        with owner.open(file, read_only=True) as store:
            if not store.is_owner:
                store.unmount(mount.where)
                return
    except (NotFound, NotSupported, InUse, PeerRefused):
        pass
    _fusermount(mount.where)
    if file.is_file():
        _wait_closed(file)


def _fusermount(where: str) -> None:
    try:
        done = subprocess.run(
            ["fusermount3", "-u", "--", where],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise MountFailed(f"can't unmount {where}: fusermount3: {error.strerror}") from None
    if done.returncode != 0:
        reason = " ".join(os.fsdecode(done.stderr).split()) or "fusermount3 failed"
        raise MountFailed(f"can't unmount {where}: {reason}")


def _wait_closed(file: Path) -> None:
    """Return when no process that can't be asked holds the file any more."""
    deadline = time.monotonic() + _CLOSED_S_MAX
    while True:
        try:
            owner.open(file, read_only=True).close()
            return
        except InUse:
            if time.monotonic() > deadline:
                raise
        except SqlfsError:
            return  # unmounting is done; what is wrong with the file is for who opens it
        time.sleep(_RETRY_S)


COMMAND = Command(
    "umount",
    "sqlfs umount ~/photos",
    _add_arguments,
    _run,
    """\
Where the process behind the mount can't be asked, or is dead, fusermount3 -u ends it.""",
)
