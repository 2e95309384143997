"""`python -m fuse_driver` is sqlfs-mount."""

from fuse_driver.mount import run

run()
