"""``sqlfs quota``: how much a volume may hold."""

from __future__ import annotations

import argparse
from dataclasses import replace

from sqlfs.cli import output
from sqlfs.cli.command import Command, add_json_option
from sqlfs.cli.measures import parse_size, short_size
from sqlfs.cli.target import (
    DOOR,
    add_target_arguments,
    chosen_volume,
    opened_file,
    passphrase_of,
    split_target,
)
from sqlfs.errors import UsageError
from sqlfs.limits import FILE_BYTES_MAX, NODE_ID_MAX
from sqlfs.types import Quota, VolumeUsage

_NONE = "none"


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target_arguments(parser)
    parser.add_argument(
        "size",
        metavar="SIZE",
        nargs="?",
        help="bytes of all files together, or a number with K, M, G or T; or none",
    )
    parser.add_argument(
        "--nodes", metavar="N", help="how many files, directories and others; or none"
    )
    add_json_option(parser)


def _size(word: str) -> int:
    size = 0 if word == _NONE else parse_size(word)
    if word != _NONE and not 1 <= size <= FILE_BYTES_MAX:
        raise UsageError(f"a quota has 1 to {FILE_BYTES_MAX} bytes; without one, say: {_NONE}")
    return size


def _count(word: str) -> int:
    count = 0 if word == _NONE else int(word) if word.isascii() and word.isdecimal() else -1
    if word != _NONE and not 1 <= count <= NODE_ID_MAX:
        raise UsageError(f"a quota has 1 to {NODE_ID_MAX} nodes; without one, say: {_NONE}")
    return count


def _print(quota: Quota, usage: VolumeUsage) -> None:
    limit = short_size(quota.bytes) if quota.bytes else _NONE
    output.line(f"bytes: {short_size(usage.bytes)} of {limit}")
    output.line(f"nodes: {usage.nodes} of {quota.nodes or _NONE}")


def _run(arguments: argparse.Namespace) -> int:
    size = None if arguments.size is None else _size(arguments.size)
    count = None if arguments.nodes is None else _count(arguments.nodes)
    changes = size is not None or count is not None
    path, named = split_target(arguments.file, arguments.volume)
    with opened_file(path, write=changes, accept_state=arguments.accept_state) as store:
        volume = chosen_volume(store, named)
        passphrase = passphrase_of(volume, arguments)
        with store.mount(volume.name, passphrase, read_only=True, door=DOOR):
            quota, usage = store.quota(volume.name), store.usage(volume.name)
            if size is not None:
                quota = replace(quota, bytes=size)
            if count is not None:
                quota = replace(quota, nodes=count)
            if changes:
                store.set_quota(volume.name, quota)
    if arguments.json:
        output.document(
            {
                "volume": volume.name,
                "bytes": usage.bytes,
                "bytes_max": quota.bytes or None,
                "nodes": usage.nodes,
                "nodes_max": quota.nodes or None,
            }
        )
    elif not changes:
        _print(quota, usage)
    return 0


COMMAND = Command(
    "quota",
    "sqlfs quota photos.sqlite 20G --nodes 1000000",
    _add_arguments,
    _run,
    """\
Bytes are those of all files as ls shows them, holes and shared content included. Beyond the quota,
writing ends with EDQUOT ("Disk quota exceeded"); what is there already stays. df shows the quota as
the volume's size.

JSON fields: volume; bytes, nodes (what it holds); bytes_max, nodes_max (or null).""",
)
