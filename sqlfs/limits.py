"""Bounds on everything, in one place; related ones are asserted together."""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

# Names and paths: what Linux allows.
NAME_BYTES_MAX: Final = 255
PATH_BYTES_MAX: Final = 4096
SYMLINK_BYTES_MAX: Final = 4095
SYMLINK_DEPTH_MAX: Final = 40
LINKS_MAX: Final = 2**31 - 1

# Extended attributes: what Linux allows.
XATTR_NAME_BYTES_MAX: Final = 255
XATTR_VALUE_BYTES_MAX: Final = 64 * KIB
XATTR_LIST_BYTES_MAX: Final = 64 * KIB
# What Linux asks a FUSE file system for when it checks permissions: a page.
ACL_BYTES_MAX: Final = 4 * KIB

FILE_BYTES_MAX: Final = 2**63 - 1

# Inode numbers: bits from 40 on tell views of the past from the present.
NODE_ID_MAX: Final = 2**40 - 1
# From here on: entries whose node can't be read, by their edge.
DAMAGED_ENTRY: Final = 2**62

# Content.
CHUNK_BYTES_MIN: Final = 4 * KIB
CHUNK_BYTES_MAX: Final = 4 * MIB
# With pages of 32 KiB, and chunks of 128, 256 and 512 KiB: processor time of a stream 3.5, 3.2 and
# 3.0 ms per MiB, of an append of 256 bytes with an fsync 0.35, 0.40 and 0.58 ms.
CHUNK_BYTES_DEFAULT: Final = 256 * KIB
MANIFEST_FANOUT: Final = 128
MANIFEST_LEVEL_MAX: Final = 8
# What is inline is stored once for each file, compressed from so many bytes on where that pays: a
# second copy of Python's library, encrypted, makes the volume file 1.2 % longer.
INLINE_BYTES_MAX: Final = 2 * KIB
INLINE_COMPRESSED_BYTES_MIN: Final = 256
# Of a node's body, not compressed: a target, and what is known of a node beside it.
NODE_BYTES_MAX: Final = 8 * KIB
# Levels of zstd; from 20 on it takes hundreds of MiB.  Level 3 makes text and binaries 4 % shorter
# than 1 does, for half as much processor time again.
COMPRESSION_MAX: Final = 19
COMPRESSION_DEFAULT: Final = 1

# With chunks of 256 KiB, and pages of 8, 16 and 32 KiB: the same stream 3.9, 3.6 and 3.5 ms, and
# 4 KiB with an fsync 0.19, 0.19 and 0.22 ms.  Beyond its content a file of 200 MiB takes 0.6, 1.1
# and 2.3 %, one of 2 KiB 1.2, 0.9 and 1.0 KB, one of 6,000 bytes 2.7, 2.8 and 1.4, and one of
# 20,000 bytes 5.1, 2.5 and 13.6.
PAGE_BYTES_DEFAULT: Final = 16 * KIB

# Ids are handed out from durable reservations of this many.
ID_RESERVATION: Final = 4096

# Content gathered in memory, over all nodes of an owner.
DIRTY_BYTES_MAX: Final = 24 * MIB
# Small changes of a volume that are in no chunk yet.
DELTA_BYTES_MAX: Final = 40 * MIB
CHUNK_CACHE_BYTES: Final = 24 * MIB
PAGE_CACHE_BYTES: Final = 40 * MIB
NODE_CACHE_ENTRIES: Final = 16_384
NAME_CACHE_ENTRIES: Final = 16_384
# Nodes, and as many edges, that were read before anybody asked for them.
AHEAD_ROWS: Final = 8192

# Commits and checkpoints (seconds, bytes).
COMMIT_IDLE_S: Final = 0.05
COMMIT_AGE_S_MAX: Final = 1.0
# Of content, in memory or in the open transaction.  All that this changes stays in the page cache
# until it is committed: where a page goes to the log twice, SQLite reads half of that again.
COMMIT_BYTES: Final = 12 * MIB
CHECKPOINT_IDLE_S: Final = 2.0
LOG_BYTES_BOUND: Final = 320 * MIB
# While somebody else has the file open, perhaps to copy it, checkpoints wait: no longer than this,
# until the log has this size, and at the end of the owner that long.
CHECKPOINT_DEFERRED_S_MAX: Final = 900.0
LOG_BYTES_MAX: Final = 1024 * MIB
# Commits in a log before it is copied and begun anew, so that those of who syncs each small change
# go where the log was written before: on ext4 a sync of 48 KiB takes 0.41 ms where room was only
# taken, and 0.28 ms there; a checkpoint after so many takes 3 to 12 ms.
LOG_COMMITS_BOUND: Final = 512
CLOSE_DEFERRED_S_MAX: Final = 5.0
# How old the state of a copy may be where those who open the file can't be kept waiting.
COPY_AGE_S_MAX: Final = 10.0
# An image that nobody goes on reading is given up when the file changes: what is set aside for it
# takes room.
IMAGE_IDLE_S_MAX: Final = 900.0

# Free space on the backing file system that writes leave alone.
RESERVE_BYTES: Final = 8 * MIB

# How long clients wait for a new owner, and a new owner for the clients of the old one (seconds).
OWNER_AWAITED_S_MAX: Final = 10.0
CLIENTS_AWAITED_S_MAX: Final = 15.0

# One message on the socket between an owner and its clients.
MESSAGE_BYTES_MAX: Final = 8 * MIB
IO_BYTES_MAX: Final = MIB

assert CHUNK_BYTES_MIN * MANIFEST_FANOUT**MANIFEST_LEVEL_MAX > FILE_BYTES_MAX
assert CHUNK_BYTES_DEFAULT <= CHUNK_BYTES_MAX
assert INLINE_BYTES_MAX < CHUNK_BYTES_MIN
assert max(INLINE_BYTES_MAX, SYMLINK_BYTES_MAX) + KIB <= NODE_BYTES_MAX
# A node and its edge take about a KiB in memory, beside what is inline.
assert AHEAD_ROWS * (INLINE_BYTES_MAX + KIB) <= 24 * MIB
assert COMMIT_BYTES <= DIRTY_BYTES_MAX
assert COMMIT_BYTES + DIRTY_BYTES_MAX + 4 * CHUNK_BYTES_DEFAULT < PAGE_CACHE_BYTES
assert IO_BYTES_MAX < MESSAGE_BYTES_MAX
assert OWNER_AWAITED_S_MAX < CLIENTS_AWAITED_S_MAX
