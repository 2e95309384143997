"""Answers in the kernel's terms.

The volume's `chunk_size` is what st_blksize tells: the size that programs should prefer, and that
of the smallest hole.
"""

from __future__ import annotations

import os
from typing import Final

from fuse_driver.kernel.abi import (
    ATTR,
    ATTR_OUT,
    DIRENT,
    DIRENT_ALIGNMENT,
    ENTRY_OUT,
    STATFS_OUT,
    STATX_BASIC_STATS,
    STATX_BTIME,
    STATX_OUT,
)
from sqlfs.types import Attributes, FileSystemStatus

# How long the kernel may believe what it was told (seconds).  Long, because it is told of every
# change that it did not make itself.
CACHE_S: Final = 3600

_NS: Final = 1_000_000_000
_TYPE_SHIFT: Final = 12  # from the type bits of a mode to those of a directory entry

_VALID: Final = ATTR_OUT.pack(CACHE_S, 0, 0)
_RDEV_BITS: Final = 0xFFFF_FFFF

# And names, where the kernel can't be made to forget them all at once, though that may be needed.
BRIEF_S: Final = 1


def attributes(inode: int, node: Attributes, chunk_size: int) -> bytes:
    return _VALID + _attr(inode, node, chunk_size)


def entry(inode: int, node: Attributes, chunk_size: int, name_s: int) -> bytes:
    """The answer to a lookup.  Ids are never reused: the generation stays 0.

    A damaged node can be found, so that it can be removed; whoever wants its attributes must ask,
    and is told that they can't be read.
    """
    if node.is_damaged:
        name_s = valid_s = 0
    else:
        valid_s = CACHE_S
    fields = ENTRY_OUT.pack(inode, 0, name_s, valid_s, 0, 0)
    return fields + _attr(inode, node, chunk_size)


def no_entry(name_s: int) -> bytes:
    """There is nothing of that name, and the kernel may remember so."""
    return ENTRY_OUT.pack(0, 0, name_s, 0, 0, 0) + bytes(ATTR.size)


def _attr(inode: int, node: Attributes, chunk_size: int) -> bytes:
    _, mode, nlink, uid, gid, rdev, size, blocks, atime, mtime, ctime, _, _ = node
    return ATTR.pack(
        inode,
        size,
        blocks,
        atime // _NS,
        mtime // _NS,
        ctime // _NS,
        atime % _NS,
        mtime % _NS,
        ctime % _NS,
        mode,
        nlink,
        uid,
        gid,
        rdev & _RDEV_BITS,
        chunk_size,
        0,
    )


def extended_attributes(inode: int, node: Attributes, chunk_size: int) -> bytes:
    """The answer to statx(2), which alone shows the birth time."""
    times = (node.atime_ns, node.btime_ns, node.ctime_ns, node.mtime_ns)
    return STATX_OUT.pack(
        CACHE_S,
        0,
        0,
        STATX_BASIC_STATS | STATX_BTIME,
        chunk_size,
        0,
        node.nlink,
        node.uid,
        node.gid,
        node.mode,
        0,
        inode,
        node.size,
        node.blocks,
        0,
        *(part for time in times for part in divmod(time, _NS)),
        os.major(node.rdev),
        os.minor(node.rdev),
        0,
        0,
    )


def directory_entry(inode: int, mode: int, name: bytes, cookie: int) -> bytes:
    """One name of a listing; `cookie` is where the listing goes on behind it."""
    size = len(name)
    fields = DIRENT.pack(inode, cookie, size, (mode >> _TYPE_SHIFT) & 0xF)
    return fields + name + bytes(-size % DIRENT_ALIGNMENT)


def file_system(status: FileSystemStatus) -> bytes:
    return STATFS_OUT.pack(
        status.blocks,
        status.blocks_free,
        status.blocks_free,
        status.nodes,
        status.nodes_free,
        status.block_size,
        status.name_max,
        status.block_size,
        0,
    )
