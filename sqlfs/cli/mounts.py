"""``sqlfs mounts``: who uses a file, or what is mounted on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path

from sqlfs.cli import output
from sqlfs.cli.command import Command, add_json_option
from sqlfs.cli.kernel_mounts import kernel_mounts
from sqlfs.cli.measures import minute
from sqlfs.cli.target import add_file_argument, opened_file
from sqlfs.types import MountInfo

JSON_FIELDS = """\
JSON fields of a session on FILE:
  volume      its name
  door        fuse, api or cli
  where       the mountpoint; empty for the other doors
  subdir      the directory of the volume that it uses, / for the whole
  pid         of the process that uses it
  read_only   true or false
  started_ns  ns since 1970-01-01 UTC
"""


def fields(mount: MountInfo) -> dict[str, object]:
    """What ``JSON_FIELDS`` lists."""
    return {
        "volume": mount.volume,
        "door": mount.door,
        "where": mount.where,
        "subdir": mount.subdir,
        "pid": mount.pid,
        "read_only": mount.read_only,
        "started_ns": mount.started_ns,
    }


def summary(mount: MountInfo) -> str:
    """One line for people."""
    place = f"mounted at {output.shown(mount.where)}" if mount.where else f"in use ({mount.door})"
    access = "read-only" if mount.read_only else "read-write"
    part = "" if mount.subdir == "/" else f" (only {output.shown(mount.subdir)})"
    return (
        f"{output.shown(mount.volume)}{part}: {place} by pid {mount.pid}, {access},"
        f" since {minute(mount.started_ns)}"
    )


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_file_argument(parser, optional=True)
    add_json_option(parser)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.file is None:
        _list_all(as_json=arguments.json)
        return 0
    path = Path(arguments.file)
    with opened_file(path, write=False, accept_state=arguments.accept_state) as store:
        mounts = store.mounts()
    if arguments.json:
        output.documents(map(fields, mounts))
    else:
        for mount in mounts:
            output.line(summary(mount))
    return 0


def _list_all(*, as_json: bool) -> None:
    mounts = kernel_mounts()
    if as_json:
        output.documents(
            {"file": mount.source, "where": mount.where, "read_only": mount.read_only}
            for mount in mounts
        )
    else:
        for mount in mounts:
            access = "read-only" if mount.read_only else "read-write"
            output.line(f"{output.shown(mount.source)} at {output.shown(mount.where)}, {access}")


COMMAND = Command(
    "mounts",
    "sqlfs mounts photos.sqlite",
    _add_arguments,
    _run,
    f"""\
{JSON_FIELDS}
JSON fields of a mount of this machine: file, where, read_only.""",
)
