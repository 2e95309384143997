"""All request handlers of a mount."""

from __future__ import annotations

from fuse_driver.attributes import AttributeHandlers
from fuse_driver.directories import DirectoryHandlers
from fuse_driver.files import FileHandlers
from fuse_driver.names import NameHandlers
from fuse_driver.ranges import RangeHandlers
from fuse_driver.xattrs import XattrHandlers


class Operations(
    NameHandlers,
    DirectoryHandlers,
    AttributeHandlers,
    XattrHandlers,
    FileHandlers,
    RangeHandlers,
):
    """One mount of one session."""
