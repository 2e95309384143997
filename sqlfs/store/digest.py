"""The digest of a file's rows, by which a copy knows whether it is of one moment.

It is the sum, modulo 2^256, of one number per row, so that a changed row costs two numbers and
not a look at all the others.  A sealed row has its number already: the synthetic iv that its seal
begins with is a digest of all that it says.  The others are hashed.  No key is needed: it finds
accidents, in locked volumes too.  Left out are the rows of ``chunk_data`` and ``delta``, which are
large, and of which manifests and nodes say at each read which ones they must be; of ``mount``,
which no new owner believes; and of ``lineage``, where the digest stands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import apsw
import msgpack  # type: ignore[import-untyped]
from blake3 import blake3

from sqlfs.store.statements import statements

DIGEST_BYTES = 32
SIV_BYTES = 24
# Their last column is what is sealed, under a context that says which row it is of.
SEALED = ("volume", "counter", "node", "edge", "xattr", "atime", "reclaim")
COVERED = (*SEALED, "feature", "reservation", "key_slot", "orphan", "chunk")

Progress = Callable[[int, int], None]
"""Called now and then with how much is done, and how much there is."""

_MODULUS = 1 << (8 * DIGEST_BYTES)
_SEALED = frozenset(SEALED)
_HASHED = frozenset(COVERED) - _SEALED
_REPORTED_ROWS = 4096


def row_number(table: str, values: Sequence[object]) -> int:
    """What one row adds to the sum; the columns before the last may be left out of a sealed one."""
    if table in _SEALED:
        sealed = values[-1]
        # Another type is damage, which opening the row would find.
        return int.from_bytes(sealed[:SIV_BYTES], "little") if isinstance(sealed, bytes) else 0
    packed: bytes = msgpack.packb((table, *values), unicode_errors="surrogatepass")
    return int.from_bytes(blake3(packed).digest(), "little")


class RowDigest:
    """The running digest of an open file.  Guarded by the store's lock."""

    def __init__(self, digest: bytes) -> None:
        self.set(digest)

    def set(self, digest: bytes) -> None:
        self._sum = int.from_bytes(digest, "little")

    def encode(self) -> bytes:
        return (self._sum % _MODULUS).to_bytes(DIGEST_BYTES, "little")

    def update(self, change: apsw.PreUpdate) -> None:
        """SQLite is about to insert, change or delete a row."""
        table = change.table_name
        if table in _SEALED or table in _HASHED:
            before, after = change.old, change.new
            if before is not None:
                self._sum -= row_number(table, before)
            if after is not None:
                self._sum += row_number(table, after)


def digest_of(connection: apsw.Connection, progress: Progress | None = None) -> bytes:
    """The digest of the rows that are there.  Raises what SQLite raises at damage."""
    total = count_rows(connection) if progress else 0
    done, sum_ = 0, 0
    for table in COVERED:
        for row in connection.execute(statements()[f"digest_{table}"]):
            sum_ += row_number(table, row)
            done += 1
            if progress and done % _REPORTED_ROWS == 0:
                progress(done, max(done, total))
    if progress:
        progress(done, done)
    return (sum_ % _MODULUS).to_bytes(DIGEST_BYTES, "little")


def count_rows(connection: apsw.Connection) -> int:
    """How many rows :func:`digest_of` looks at."""
    ((rows,),) = connection.execute(statements()["digest_rows"]).fetchall()
    return int(str(rows))
