"""The lineage record: which log belongs to which state of the file.

SQLite applies whatever valid log lies beside a file, also one of another file, or of an
older or newer state of the same.  So the file carries a record that names its state, and
each log carries records that name the state it began from (``base``) and the one it ends in
(``id``).  A log belongs to a file when the file's ``id`` stands in one of the log's records:

- every transaction writes a record, with an ``id`` of its own; the ``base`` of all records of one
  log is the file's ``id``;
- a checkpoint copies the last of them into the file, which so gets its ``id``.

The second makes an older copy of the same log foreign once it has been checkpointed.

A record says as well up to which one the log was durable when it was written (``synced``), and so
does the *tail*, which is written behind the last frame after each sync.  If SQLite finds the log to
end before that, this is damage: a loss of power takes only what was not yet durable.

A record also says which file it was written to, so that a copy is known for one, and carries the
digest of all rows (see ``store.digest``), so that a copy can tell whether it is whole.

The record is the one row of the first table, whose root is page 3; rows are placed from the
end of a page and an update of the same length is made in place, so the record is always the
last 136 bytes of page 3: it can be read without SQLite, and never straddles a sector.
"""

from __future__ import annotations

import hmac
import os
import struct
import time
from typing import NamedTuple

from blake3 import blake3

LINEAGE_PAGE = 3
RECORD_BYTES = 136

_MAGIC = b"sqlfsLin"
_FIELDS = struct.Struct("<8sQQ16s16sQQqq32s")
_CHECK_BYTES = 16
_GENERATION_MAX = 2**63
_CONTEXT = "sqlfs v1 lineage record"

assert _FIELDS.size + _CHECK_BYTES == RECORD_BYTES


class Identity(NamedTuple):
    """Which file this is on its file system: the inode and its birth time in ns (0 where the
    file system keeps none).  Never ``st_dev``: it changes at reboot."""

    inode: int
    birth_ns: int


class Lineage(NamedTuple):
    """One record.  ``synced``: generation of the last record that was durable when this one was
    written.  ``marked``: an owner has the file open.  ``identity``: the file that the record was
    written to; None where that was not known."""

    generation: int
    synced: int
    id: bytes
    base: bytes
    marked: bool
    identity: Identity | None
    written_ns: int
    digest: bytes

    @classmethod
    def first(cls, identity: Identity | None, digest: bytes) -> Lineage:
        """The record of a new file."""
        return cls(1, 0, os.urandom(16), bytes(16), False, identity, time.time_ns(), digest)

    def next(
        self, base: bytes, *, synced: int, marked: bool, identity: Identity, digest: bytes
    ) -> Lineage:
        """The record that follows this one, in a log that began from the file's state `base`."""
        return Lineage(
            self.generation + 1, synced, os.urandom(16), base, marked, identity, time.time_ns(),
            digest,
        )  # fmt: skip

    def encode(self) -> bytes:
        inode, birth = (self.identity.inode, self.identity.birth_ns) if self.identity else (0, 0)
        fields = _FIELDS.pack(
            _MAGIC,
            self.generation,
            self.synced,
            self.id,
            self.base,
            1 if self.marked else 0,
            inode,
            birth,
            self.written_ns,
            self.digest,
        )
        return fields + _check(fields)

    @classmethod
    def decode(cls, record: bytes) -> Lineage | None:
        """The record, or None when the bytes are not a sound one."""
        if len(record) != RECORD_BYTES:
            return None
        fields, check = record[: _FIELDS.size], record[_FIELDS.size :]
        if not hmac.compare_digest(check, _check(fields)):
            return None
        (magic, generation, synced, id_, base, marked, inode, birth, written, digest
         ) = _FIELDS.unpack(fields)  # fmt: skip
        if magic != _MAGIC or marked > 1 or (marked and not inode) or synced > generation:
            return None
        if generation > _GENERATION_MAX:  # no file lives so long: forged, and could not be followed
            return None
        identity = Identity(inode, birth) if inode else None
        return cls(generation, synced, id_, base, bool(marked), identity, written, digest)


def _check(fields: bytes) -> bytes:
    return blake3(fields, derive_key_context=_CONTEXT).digest(_CHECK_BYTES)
