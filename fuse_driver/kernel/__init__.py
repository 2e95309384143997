"""The kernel's side of a mount: the FUSE protocol, from attaching to the last answer.

Nothing here knows of volumes.  The protocol is that of ``<linux/fuse.h>``; its structures are
in :mod:`fuse_driver.kernel.abi`.
"""
