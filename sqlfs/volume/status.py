"""What the API shows of nodes, in the types that Python's ``os`` uses."""

from __future__ import annotations

import os

from sqlfs.types import Attributes, FileSystemStatus

_BLOCK_BYTES = 4096
_NS = 1_000_000_000


def stat_result(attributes: Attributes, device: int) -> os.stat_result:
    """`attributes` as ``os.stat`` gives them; `device` stands for the volume."""
    times = (attributes.atime_ns, attributes.mtime_ns, attributes.ctime_ns)
    fields = (
        attributes.mode,
        attributes.node,
        device,
        attributes.nlink,
        attributes.uid,
        attributes.gid,
        attributes.size,
        *(time_ns // _NS for time_ns in times),
    )
    more: dict[str, object] = {
        "st_blksize": _BLOCK_BYTES,
        "st_blocks": attributes.blocks,
        "st_rdev": attributes.rdev,
    }
    for name, time_ns in zip(("st_atime", "st_mtime", "st_ctime"), times, strict=True):
        more[name] = time_ns / _NS
        more[f"{name}_ns"] = time_ns
    return os.stat_result(fields, more)


def statvfs_result(status: FileSystemStatus, *, read_only: bool) -> os.statvfs_result:
    """`status` as ``os.statvfs`` gives it."""
    return os.statvfs_result(
        (
            status.block_size,
            status.block_size,
            status.blocks,
            status.blocks_free,
            status.blocks_free,
            status.nodes,
            status.nodes_free,
            status.nodes_free,
            os.ST_RDONLY if read_only else 0,
            status.name_max,
        )
    )
