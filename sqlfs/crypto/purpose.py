"""What a sealed thing is, and how its body is encoded; both numbers are part of the format."""

from __future__ import annotations

from enum import IntEnum


class Purpose(IntEnum):
    """What a sealed thing is for; no thing opens under a purpose other than its own."""

    NODE = 1
    NAME = 2
    XATTR = 3
    CHUNK = 4
    MANIFEST = 5
    VOLUME = 6
    COUNTER = 7
    KEY_SLOT = 8
    RECLAIM = 9
    ATIME = 10
    MOUNT = 11
    DELTA = 12


class Codec(IntEnum):
    """How the body inside a sealed thing is compressed."""

    NONE = 0
    ZSTD = 1  # chunks only


class Suite(IntEnum):
    """The cipher of a sealed thing; part of everything that is digested or authenticated."""

    PLAIN = 0  # null cipher: a digest under a public key, then the frame as it is
    CHACHA20_POLY1305 = 1  # key and nonce from the synthetic iv that the frame's digest is
