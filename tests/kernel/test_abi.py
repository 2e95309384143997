"""The structures have the sizes that <linux/fuse.h> gives them."""

from __future__ import annotations

from struct import Struct

import pytest

from fuse_driver.kernel import abi

SIZES = {
    "IN_HEADER": 40,
    "OUT_HEADER": 16,
    "INIT_OUT": 64,
    "ATTR": 88,
    "ATTR_OUT": 16,
    "ENTRY_OUT": 40,
    "DIRENT": 24,
    "STATX_IN": 24,
    "STATX_OUT": 288,
    "SETATTR_IN": 88,
    "MKNOD_IN": 16,
    "MKDIR_IN": 8,
    "RENAME_IN": 8,
    "RENAME2_IN": 16,
    "LINK_IN": 8,
    "OPEN_IN": 8,
    "CREATE_IN": 16,
    "OPEN_OUT": 16,
    "WRITE_IN": 40,
    "WRITE_OUT": 8,
    "RELEASE_IN": 24,
    "FSYNC_IN": 16,
    "GETXATTR_IN": 8,
    "GETXATTR_OUT": 8,
    "SETXATTR_IN": 16,
    "FORGET_IN": 8,
    "BATCH_FORGET_IN": 8,
    "FORGET_ONE": 16,
    "FALLOCATE_IN": 32,
    "LSEEK_IN": 24,
    "LSEEK_OUT": 8,
    "COPY_FILE_RANGE_IN": 56,
    "STATFS_OUT": 80,
    "INVAL_INODE_OUT": 24,
    "INVAL_ENTRY_OUT": 16,
}
# Only the part that is used.
BEGINNINGS = {"INIT_IN", "INIT_IN_FLAGS2", "READ_IN"}


@pytest.mark.parametrize("name", SIZES)
def test_a_structure_has_its_size(name: str) -> None:
    assert getattr(abi, name).size == SIZES[name]


def test_no_structure_is_left_out() -> None:
    names = {name for name, value in vars(abi).items() if isinstance(value, Struct)}
    assert names - {name for name in names if name.startswith("_")} == {*SIZES, *BEGINNINGS}
