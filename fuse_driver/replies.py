"""Answers in the kernel's terms."""

from __future__ import annotations

from typing import Final

from pyfuse3 import EntryAttributes, InodeT, ModeT, StatvfsData

from sqlfs.limits import KIB
from sqlfs.types import Attributes, FileSystemStatus

# How long the kernel may believe what it was told.  Long, because it is told of every change
# that it did not make itself.
CACHE_S: Final = 3600.0

# The size of a request that programs should prefer (st_blksize).
PREFERRED_IO_BYTES: Final = 128 * KIB


def entry(inode: InodeT, attributes: Attributes) -> EntryAttributes:
    """A node, as lookups and stat(2) show it.  Ids are never reused: the generation stays 0."""
    reply = EntryAttributes()
    reply.st_ino = inode
    reply.entry_timeout = CACHE_S
    reply.attr_timeout = CACHE_S
    reply.st_mode = ModeT(attributes.mode)
    reply.st_nlink = attributes.nlink
    reply.st_uid = attributes.uid
    reply.st_gid = attributes.gid
    reply.st_rdev = attributes.rdev
    reply.st_size = attributes.size
    reply.st_blksize = PREFERRED_IO_BYTES
    reply.st_blocks = attributes.blocks
    reply.st_atime_ns = attributes.atime_ns
    reply.st_mtime_ns = attributes.mtime_ns
    reply.st_ctime_ns = attributes.ctime_ns
    return reply


def no_entry() -> EntryAttributes:
    """There is nothing of that name, and the kernel may remember so."""
    reply = EntryAttributes()
    reply.st_ino = InodeT(0)
    reply.entry_timeout = CACHE_S
    return reply


def file_system(status: FileSystemStatus) -> StatvfsData:
    reply = StatvfsData()
    reply.f_bsize = reply.f_frsize = status.block_size
    reply.f_blocks = status.blocks
    reply.f_bfree = reply.f_bavail = status.blocks_free
    reply.f_files = status.nodes
    reply.f_ffree = reply.f_favail = status.nodes_free
    reply.f_namemax = status.name_max
    return reply
