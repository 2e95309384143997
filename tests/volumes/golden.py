"""What the golden volumes hold."""

from __future__ import annotations

import os
import random
import stat
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlfs.types import AttributeChanges, Caller, Quota
from sqlfs.volume import Session

CHUNK: Final = 4096
SEGMENT: Final = 16384
ME: Final = Caller(1000, 1001)
PASSPHRASE: Final = b"correct horse battery staple"


@dataclass(frozen=True)
class VolumePlan:
    name: str
    fill: Callable[[Session], None]
    passphrase: bytes | None = None
    chunk_size: int = CHUNK
    dedupe: bool = True
    quota: Quota | None = None
    compression: int = 0


@dataclass(frozen=True)
class FilePlan:
    """``ending``: how the file comes to lie there: closed; ``unfinished``, as it is between two
    transactions; ``in_use``, as a copy has it; ``log``, as a killed owner leaves it."""

    about: str
    volumes: tuple[VolumePlan, ...]
    page_size: int = 1024
    ending: str = "closed"


def noise(length: int, seed: int = 0) -> bytes:
    """The same bytes for the same arguments, without a zero among them."""
    return bytes(random.Random(length * 1000 + seed).choices(range(1, 256), k=length))


def put(session: Session, parent: int, name: bytes, *pieces: tuple[int, bytes], size: int) -> int:
    attributes, handle = session.create(parent, name, 0o640, os.O_RDWR, ME)
    for offset, data in pieces:
        session.write(handle, offset, data)
    session.release(handle)
    session.setattr(attributes.node, AttributeChanges(size=size))
    return attributes.node


def whole(session: Session, parent: int, name: bytes, data: bytes) -> int:
    return put(session, parent, name, (0, data), size=len(data))


def acl(*entries: tuple[int, int, int]) -> bytes:
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


NOBODY: Final = 2**32 - 1
ACCESS: Final = acl((1, 6, NOBODY), (2, 7, 1234), (4, 4, NOBODY), (16, 5, NOBODY), (32, 0, NOBODY))
DEFAULT: Final = acl((1, 7, NOBODY), (4, 5, NOBODY), (8, 7, 77), (16, 7, NOBODY), (32, 5, NOBODY))


# --- parts ---


def _content(session: Session) -> None:
    """All forms of content, and both sides of every bound."""
    root = session.root
    folder = session.mkdir(root, b"content", 0o755, ME).node
    for name, length in (
        (b"empty", 0), (b"one byte", 1), (b"inline at most", 2048), (b"chunk at least", 2049),
        (b"one chunk", CHUNK), (b"two chunks", CHUNK + 1),
    ):  # fmt: skip
        whole(session, folder, name, noise(length))
    whole(session, folder, b"tiny text", b"a line of a text\n" * 100)
    whole(session, folder, b"equal to two chunks", noise(CHUNK + 1))
    two = session.lookup(folder, b"two chunks").node
    session.clone(two, folder, b"clone of two chunks", ME)
    put(session, folder, b"tiny zeros", size=300)
    put(session, folder, b"zeros", size=10_000)
    put(session, folder, b"hole at the end", (0, noise(600)), size=3 * CHUNK)
    put(session, folder, b"hole at the start", (3 * CHUNK, noise(5)), size=3 * CHUNK + 5)
    slots = [(slot * CHUNK + 7, noise(50, slot)) for slot in (0, 5, 127, 128, 130)]
    put(session, folder, b"manifest of manifests", *slots, size=131 * CHUNK)
    far = (128**2 * CHUNK, noise(9))
    put(session, folder, b"level 3", (0, noise(700)), far, size=128**2 * CHUNK + 9)
    put(session, folder, b"level 8", (CHUNK, noise(99)), size=2**63 - 1)


def _kinds(session: Session) -> None:
    folder = session.mkdir(session.root, b"kinds", 0o755, ME).node
    session.mknod(folder, b"fifo", stat.S_IFIFO | 0o600, 0, ME)
    session.mknod(folder, b"socket", stat.S_IFSOCK | 0o755, 0, ME)
    session.mknod(folder, b"char", stat.S_IFCHR | 0o620, os.makedev(7, 300), ME)
    session.mknod(folder, b"block", stat.S_IFBLK | 0o660, os.makedev(259, 70_000), ME)
    session.symlink(folder, b"link", b"../content/one chunk", ME)
    session.symlink(folder, b"dangling", b"/nowhere/\xff", ME)
    session.symlink(folder, b"longest", b"t" * 4095, ME)
    deep = folder
    for name in (b"a", b"b", b"c"):
        deep = session.mkdir(deep, name, 0o700, ME).node
    session.mkdir(folder, b"empty", 0o1777, ME)
    session.setattr(session.mkdir(folder, b"setgid", 0, ME).node, AttributeChanges(mode=0o2775))


def _names(session: Session) -> None:
    folder = session.mkdir(session.root, b"names", 0o755, ME).node
    for name in (
        b"n" * 255, b"\xff\xfe", b"line\nbreak", b" ", b"-rf", b"*", b"back\\slash", b"...",
        "\N{LATIN SMALL LETTER E WITH ACUTE}".encode(), b"e\xcc\x81", b"\xf0\x9f\x97\x82", b"%2F",
        b"\x01\x7f", b"case", b"CASE",
    ):  # fmt: skip
        whole(session, folder, name, name)
    many = session.mkdir(session.root, b"many", 0o755, ME).node
    for number in range(60):
        session.mknod(many, b"%d" % number, stat.S_IFREG | 0o644, 0, ME)
    for number in range(20, 40):
        session.unlink(many, b"%d" % number)
    first = session.lookup(folder, b"case").node
    session.link(first, folder, b"hard link")
    session.link(first, session.root, b"hard link")
    link = session.symlink(folder, b"link", b"x", ME).node
    session.link(link, folder, b"same link")
    session.rename(folder, b"...", many, b"moved")


def _attributes(session: Session) -> None:
    folder = session.mkdir(session.root, b"attributes", 0o755, ME).node

    def file(name: bytes) -> int:
        return whole(session, folder, name, name)

    session.setattr(file(b"mode 0"), AttributeChanges(mode=0))
    session.setattr(file(b"set-id"), AttributeChanges(mode=0o6711))
    session.setattr(file(b"owner"), AttributeChanges(uid=2**32 - 2, gid=0))
    session.setattr(file(b"before 1970"), AttributeChanges(mtime_ns=-1, atime_ns=-(2**61)))
    session.setattr(file(b"far ahead"), AttributeChanges(mtime_ns=2**62 + 1, atime_ns=0))
    many = file(b"xattrs")
    for name, value in {
        b"user.text": b"text", b"user.empty": b"", b"user.\xff": bytes(range(256)),
        b"user.long": noise(3000), b"trusted.t": b"1", b"security.s": b"2",
        b"user." + b"x" * 250: b"longest name",
    }.items():  # fmt: skip
        session.setxattr(many, name, value)
    session.setxattr(file(b"acl"), b"system.posix_acl_access", ACCESS)
    inheriting = session.mkdir(folder, b"default acl", 0o755, ME).node
    session.setxattr(inheriting, b"system.posix_acl_default", DEFAULT)
    session.mkdir(inheriting, b"inherited", 0o777, ME)
    whole(session, inheriting, b"file", b"inherited")


def _read_later(session: Session) -> None:
    """An access time in a row of its own."""
    name = b"read"
    node = whole(session, session.root, name, b"read later")
    session.setattr(node, AttributeChanges(atime_ns=1, mtime_ns=2))
    session.sync()
    handle = session.open(node, os.O_RDONLY)
    session.read(handle, 0, 99)
    session.release(handle)


def everything(session: Session) -> None:
    _content(session)
    _kinds(session)
    _names(session)
    _attributes(session)
    _read_later(session)


def small(session: Session) -> None:
    """What the broken volumes are made of."""
    root = session.root
    folder = session.mkdir(root, b"folder", 0o755, ME).node
    whole(session, root, b"inline", b"hello, world")
    whole(session, root, b"chunk", noise(CHUNK, 1))
    whole(session, folder, b"chunks", noise(2 * CHUNK + 9))
    whole(session, folder, b"last", b"the last one")
    session.setxattr(session.lookup(root, b"inline").node, b"user.one", b"1")
    session.setxattr(session.lookup(root, b"inline").node, b"user.two", b"2")
    session.link(session.lookup(root, b"inline").node, folder, b"hard link")
    session.symlink(folder, b"link", b"../inline", ME)


def content_only(session: Session) -> None:
    root = session.root
    whole(session, root, b"inline", b"hello")
    whole(session, root, b"chunk", noise(3000))
    whole(session, root, b"equal", noise(3000))
    size = session.volume.chunk_size
    put(session, root, b"slots", (0, b"first"), (size, b"second"), size=3 * size)


def _long_chunks(session: Session) -> None:
    for length in (SEGMENT + 1, 2 * SEGMENT):
        whole(session, session.root, b"%d bytes" % length, noise(length))


def _compressible(session: Session) -> None:
    root = session.root
    for length in (600, CHUNK, SEGMENT + 1, 4 * SEGMENT):
        whole(
            session, root, b"%d bytes of text" % length, b"all work and no play, " * (length // 22)
        )
    whole(session, root, b"noise", noise(SEGMENT + 1))
    whole(session, root, b"half", noise(SEGMENT) + b"no play " * (SEGMENT // 8))


def _unfinished(session: Session) -> None:
    """A node without a name, content that waits to be taken apart, a session that is there."""
    small(session)
    root = session.root
    nameless = whole(session, root, b"nameless", noise(CHUNK, 2))
    whole(session, root, b"gone", noise(2 * CHUNK, 3))
    session.pin(nameless)
    session.unlink(root, b"nameless")
    session.unlink(root, b"gone")


def _patched(session: Session) -> None:
    """Small writes that are not folded yet: over chunks and holes, at the end, and beyond it."""
    small(session)
    root = session.root
    large = whole(session, root, b"large", noise(5 * CHUNK + 9))
    sparse = put(session, root, b"sparse", (3 * CHUNK, noise(700)), size=200 * CHUNK)
    session.sync()
    for node, offset, length in (
        (large, 10, 20), (large, 25, 30), (large, 2 * CHUNK - 5, 10), (large, 5 * CHUNK + 9, 100),
        (sparse, 3 * CHUNK + 690, 50), (sparse, 150 * CHUNK + 1, 5), (large, 20, 8),
    ):  # fmt: skip
        handle = session.open(node, os.O_RDWR)
        session.write(handle, offset, noise(length, offset))
        session.fsync(handle)
        session.release(handle)


FILES: Final[dict[str, FilePlan]] = {
    "plain": FilePlan(
        "everything that a volume can hold",
        (VolumePlan("main", everything, quota=Quota(nodes=500)),),
    ),
    "encrypted": FilePlan(
        "the same, encrypted; the costs of its key slot are far too small for real use",
        (VolumePlan("main", everything, PASSPHRASE),),
    ),
    "plain-random": FilePlan(
        "a plain volume without deduplication: ids are random",
        (VolumePlan("main", content_only, dedupe=False),),
        page_size=512,
    ),
    "encrypted-random": FilePlan(
        "an encrypted volume without deduplication: ids are random",
        (VolumePlan("main", content_only, PASSPHRASE, dedupe=False),),
        page_size=512,
    ),
    "several": FilePlan(
        "several volumes in one file: the plain ones share what is equal, with other chunk sizes",
        (
            VolumePlan("one", content_only, quota=Quota(10**9, 1000)),
            VolumePlan("two, of 8 KiB", content_only, chunk_size=8192),
            VolumePlan("drei \N{LATIN SMALL LETTER U WITH DIAERESIS}", content_only, b"secret"),
            VolumePlan("four", content_only, b"another", chunk_size=16384),
            VolumePlan("empty", lambda session: session.sync()),
        ),
        page_size=1024,
    ),
    "segments": FilePlan(
        "chunks of several segments, plain and encrypted",
        (
            VolumePlan("plain", _long_chunks, chunk_size=2 * SEGMENT),
            VolumePlan("encrypted", _long_chunks, PASSPHRASE, chunk_size=2 * SEGMENT),
        ),
    ),
    "compressed": FilePlan(
        "chunks that are compressed where that makes them shorter, plain and encrypted",
        (
            VolumePlan("plain", _compressible, chunk_size=2 * SEGMENT, compression=3),
            VolumePlan("encrypted", _compressible, PASSPHRASE, 2 * SEGMENT, compression=3),
        ),
    ),
    "small-plain": FilePlan(
        "little; the broken plain ones are made of it", (VolumePlan("main", small),), 512
    ),
    "small-encrypted": FilePlan(
        "little; the broken encrypted ones are made of it",
        (VolumePlan("main", small, PASSPHRASE),),
        512,
    ),
    "unfinished": FilePlan(
        "an orphan, a queue of content to take apart, and the row of a session: none of it shows",
        (VolumePlan("main", _unfinished),),
        ending="unfinished",
    ),
    "copied-in-use": FilePlan(
        "a copy of a file that was in use: it carries another file's open mark, and is whole",
        (VolumePlan("main", small),),
        ending="in_use",
    ),
    "with-deltas": FilePlan(
        "a copy of a file that was in use, with small changes of files that are in no chunk yet",
        (VolumePlan("main", _patched, PASSPHRASE),),
        512,
        ending="in_use",
    ),
    "with-log": FilePlan(
        "what a killed owner leaves: the log beside it is its own, and has most of what it holds",
        (VolumePlan("main", small),),
        ending="log",
    ),
}
