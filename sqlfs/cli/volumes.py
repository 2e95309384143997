"""``sqlfs volumes``: what volumes a file holds."""

from __future__ import annotations

import argparse
import uuid
from pathlib import Path

from sqlfs.cli import output
from sqlfs.cli.command import Command, add_json_option
from sqlfs.cli.measures import minute, short_size
from sqlfs.cli.target import DOOR, add_file_argument, opened_file
from sqlfs.errors import NoSuchVolume
from sqlfs.owner import Store
from sqlfs.types import VolumeInfo, VolumeUsage

JSON_FIELDS = """\
JSON fields of a volume:
  name, uuid
  encrypted, dedupe   true or false
  compression         level of zstd; 0: none
  chunk_size          bytes
  created_ns          ns since 1970-01-01 UTC
  nodes, bytes        how many nodes, bytes of all files; null while it is locked
"""


def fields(store: Store, volume: VolumeInfo) -> dict[str, object]:
    """What ``JSON_FIELDS`` lists."""
    usage = _usage(store, volume)
    return {
        "name": volume.name,
        "uuid": str(uuid.UUID(bytes=volume.uuid)),
        "encrypted": volume.encrypted,
        "dedupe": volume.dedupe,
        "compression": volume.compression,
        "chunk_size": volume.chunk_size,
        "created_ns": volume.created_ns,
        "nodes": usage.nodes if usage else None,
        "bytes": usage.bytes if usage else None,
    }


def summary(store: Store, volume: VolumeInfo) -> str:
    """One line for people."""
    usage = _usage(store, volume)
    traits = ["encrypted" if volume.encrypted else "plain"]
    if not volume.dedupe:
        traits.append("no dedupe")
    if volume.compression:
        traits.append("compressed")
    traits.append(f"chunks of {short_size(volume.chunk_size)}")
    traits.append(f"{usage.nodes} nodes, {short_size(usage.bytes)}" if usage else "locked")
    traits.append(f"made {minute(volume.created_ns)}")
    return f"{output.shown(volume.name)}: {', '.join(traits)}"


def _usage(store: Store, volume: VolumeInfo) -> VolumeUsage | None:
    """None for an encrypted volume that nobody has unlocked."""
    try:
        return store.usage(volume.name)
    except NoSuchVolume:
        if volume.encrypted:
            return None
    with store.mount(volume.name, read_only=True, door=DOOR):
        return store.usage(volume.name)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_file_argument(parser)
    add_json_option(parser)


def _run(arguments: argparse.Namespace) -> int:
    path = Path(arguments.file)
    with opened_file(path, write=False, accept_state=arguments.accept_state) as store:
        if arguments.json:
            output.documents([fields(store, volume) for volume in store.volumes()])
        else:
            for volume in store.volumes():
                output.line(summary(store, volume))
    return 0


COMMAND = Command(
    "volumes",
    "sqlfs volumes photos.sqlite",
    _add_arguments,
    _run,
    JSON_FIELDS,
)
