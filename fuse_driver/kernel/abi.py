"""Numbers and structures of the kernel's FUSE protocol, version 7, as in ``<linux/fuse.h>``.

Every field is in the machine's own byte order; ``=`` keeps Python from adding padding, which the
structures spell out themselves.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from struct import Struct
from typing import Final

MAJOR: Final = 7
# Of Linux 5.12; no structure used here has changed its form since.
MINOR_MIN: Final = 33
# What this module was written after; a newer kernel speaks it too.
MINOR: Final = 45

ROOT_INODE: Final = 1


class Opcode(IntEnum):
    LOOKUP = 1
    FORGET = 2  # has no answer
    GETATTR = 3
    SETATTR = 4
    READLINK = 5
    SYMLINK = 6
    MKNOD = 8
    MKDIR = 9
    UNLINK = 10
    RMDIR = 11
    RENAME = 12
    LINK = 13
    OPEN = 14
    READ = 15
    WRITE = 16
    STATFS = 17
    RELEASE = 18
    FSYNC = 20
    SETXATTR = 21
    GETXATTR = 22
    LISTXATTR = 23
    REMOVEXATTR = 24
    FLUSH = 25
    INIT = 26
    OPENDIR = 27
    READDIR = 28
    RELEASEDIR = 29
    FSYNCDIR = 30
    CREATE = 35
    INTERRUPT = 36  # has no answer
    DESTROY = 38
    IOCTL = 39
    BATCH_FORGET = 42  # has no answer
    FALLOCATE = 43
    READDIRPLUS = 44
    RENAME2 = 45
    LSEEK = 46
    COPY_FILE_RANGE = 47
    TMPFILE = 51
    STATX = 52


class Feature(IntFlag):
    """What kernel and driver agree on in INIT; from bit 32 on in a word of its own."""

    ASYNC_READ = 1 << 0
    ATOMIC_O_TRUNC = 1 << 3  # O_TRUNC comes with OPEN, not as a SETATTR before it
    EXPORT_SUPPORT = 1 << 4  # lookups of "." and ".."
    BIG_WRITES = 1 << 5
    DONT_MASK = 1 << 6  # modes come as the program gave them, the umask beside them
    DO_READDIRPLUS = 1 << 13
    READDIRPLUS_AUTO = 1 << 14  # READDIR when nobody seems to want attributes
    PARALLEL_DIROPS = 1 << 18
    POSIX_ACL = 1 << 20  # the kernel checks permissions by ACLs, which it asks for as xattrs
    MAX_PAGES = 1 << 22
    CACHE_SYMLINKS = 1 << 23
    EXPLICIT_INVAL_DATA = 1 << 25  # pages stay until the driver says otherwise
    HANDLE_KILLPRIV_V2 = 1 << 28  # the driver is told when set-id bits must go
    SETXATTR_EXT = 1 << 29
    INIT_EXT = 1 << 30


# struct fuse_in_header: len, opcode, unique, nodeid, uid, gid, pid, total_extlen, padding
IN_HEADER: Final = Struct("=IIQQIIIHH")
# struct fuse_out_header: len, error, unique
OUT_HEADER: Final = Struct("=IiQ")

# struct fuse_init_in: major, minor, max_readahead, flags; flags2 follows with INIT_EXT
INIT_IN: Final = Struct("=IIII")
INIT_IN_FLAGS2: Final = Struct("=16xI")
# struct fuse_init_out: major, minor, max_readahead, flags, max_background, congestion_threshold,
# max_write, time_gran, max_pages, map_alignment, flags2, max_stack_depth, request_timeout
INIT_OUT: Final = Struct("=IIIIHHIIHHIIH22x")

# struct fuse_attr: ino, size, blocks, atime, mtime, ctime (s), the same (ns), mode, nlink, uid,
# gid, rdev, blksize, flags
ATTR: Final = Struct("=QQQqqqIIIIIIIIII")
# struct fuse_attr_out: attr_valid, attr_valid_nsec, padding; fuse_attr follows
ATTR_OUT: Final = Struct("=QII")
# struct fuse_entry_out: nodeid, generation, entry_valid, attr_valid, the same (ns); fuse_attr
# follows
ENTRY_OUT: Final = Struct("=QQQQII")
ENTRY_BYTES: Final = ENTRY_OUT.size + ATTR.size
# struct fuse_dirent: ino, off, namelen, type; the name follows, padded to 8 bytes
DIRENT: Final = Struct("=QQII")
DIRENT_ALIGNMENT: Final = 8

# struct fuse_statx_in: getattr_flags, reserved, fh, sx_flags, sx_mask
STATX_IN: Final = Struct("=IIQII")
# struct fuse_statx_out: attr_valid, attr_valid_nsec, flags, spare; struct fuse_statx: mask,
# blksize, attributes, nlink, uid, gid, mode, spare, ino, size, blocks, attributes_mask, four
# times (s, ns, spare) for atime, btime, ctime, mtime, rdev and dev (major, minor), spare
STATX_OUT: Final = Struct("=QII16x" + "IIQIIIHHQQQQ" + "qI4x" * 4 + "IIII112x")
STATX_BASIC_STATS: Final = 0x7FF
STATX_BTIME: Final = 0x800

# struct fuse_setattr_in: valid, padding, fh, size, lock_owner, atime, mtime, ctime (s), the same
# (ns), mode, unused, uid, gid, unused
SETATTR_IN: Final = Struct("=IIQQQqqqIIIIIIII")


class SetattrField(IntFlag):
    MODE = 1 << 0
    UID = 1 << 1
    GID = 1 << 2
    SIZE = 1 << 3
    ATIME = 1 << 4
    MTIME = 1 << 5
    ATIME_NOW = 1 << 7
    MTIME_NOW = 1 << 8
    CTIME = 1 << 10
    KILL_SUIDGID = 1 << 11


MKNOD_IN: Final = Struct("=IIII")  # mode, rdev, umask, padding
MKDIR_IN: Final = Struct("=II")  # mode, umask
RENAME_IN: Final = Struct("=Q")  # newdir
RENAME2_IN: Final = Struct("=QII")  # newdir, flags, padding
LINK_IN: Final = Struct("=Q")  # oldnodeid
OPEN_IN: Final = Struct("=II")  # flags, open_flags
CREATE_IN: Final = Struct("=IIII")  # flags, mode, umask, open_flags
OPEN_OUT: Final = Struct("=QII")  # fh, open_flags, backing_id
READ_IN: Final = Struct("=QQII")  # fh, offset, size, read_flags, ...
WRITE_IN: Final = Struct("=QQIIQII")  # fh, offset, size, write_flags, lock_owner, flags, padding
WRITE_OUT: Final = Struct("=II")  # size, padding
RELEASE_IN: Final = Struct("=QIIQ")  # fh, flags, release_flags, lock_owner; as struct fuse_flush_in
FSYNC_IN: Final = Struct("=QII")  # fh, fsync_flags, padding
GETXATTR_IN: Final = Struct("=II")  # size, padding
GETXATTR_OUT: Final = Struct("=II")  # size, padding
SETXATTR_IN: Final = Struct("=IIII")  # size, flags, setxattr_flags, padding
FORGET_IN: Final = Struct("=Q")  # nlookup
BATCH_FORGET_IN: Final = Struct("=II")  # count, padding
FORGET_ONE: Final = Struct("=QQ")  # nodeid, nlookup
FALLOCATE_IN: Final = Struct("=QQQII")  # fh, offset, length, mode, padding
LSEEK_IN: Final = Struct("=QQII")  # fh, offset, whence, padding
LSEEK_OUT: Final = Struct("=Q")  # offset
# fh_in, off_in, nodeid_out, fh_out, off_out, len, flags
COPY_FILE_RANGE_IN: Final = Struct("=QQQQQQQ")
# struct fuse_kstatfs: blocks, bfree, bavail, files, ffree, bsize, namelen, frsize, padding, spare
STATFS_OUT: Final = Struct("=QQQQQIIII24x")

FOPEN_KEEP_CACHE: Final = 1 << 1
FOPEN_CACHE_DIR: Final = 1 << 3  # listings of the directory are kept
FOPEN_NOFLUSH: Final = 1 << 5  # no FLUSH at close(2); a kernel before 5.16 sends it all the same
OPEN_KILL_SUIDGID: Final = 1 << 0
WRITE_CACHE: Final = 1 << 0  # what a mapping left in the kernel's pages
WRITE_KILL_SUIDGID: Final = 1 << 2
SETXATTR_ACL_KILL_SGID: Final = 1 << 0
FSYNC_FDATASYNC: Final = 1 << 0

# Messages of the driver's own accord, in the place of an error.
NOTIFY_INVAL_INODE: Final = 2
NOTIFY_INVAL_ENTRY: Final = 3
NOTIFY_INC_EPOCH: Final = 8  # since 7.44, Linux 6.16
INVAL_INODE_OUT: Final = Struct("=Qqq")  # ino, off, len
INVAL_ENTRY_OUT: Final = Struct("=QII")  # parent, namelen, flags; the name and a zero follow
