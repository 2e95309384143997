"""Reading a part of a long chunk: of what is stored, only the segments that it lies in.

Where a chunk's row and its key are is remembered, so that the next part costs no search.  What a
part can't tell is left to whoever reads the whole: chunks of one segment, and those that are
missing or have another length than they should.
"""

from __future__ import annotations

from typing import Final

from sqlfs.chunks.cache import SizedCache
from sqlfs.chunks.reference import Entries, Reference
from sqlfs.crypto import Purpose, Sealer
from sqlfs.crypto.segments import (
    SEGMENT_BYTES,
    SIV_BYTES,
    BadTag,
    Segments,
    open_body,
    open_run,
    place,
)
from sqlfs.errors import Corrupt
from sqlfs.store import Database

# A chunk's bytes, a manifest's entries, or a segment's bytes.
Cached = bytes | Entries

# Chunks that are remembered: about 1 KiB each.
_FOUND_MAX: Final = 2048


class _Found:
    """A chunk's row.  ``sealed``: bytes that it takes there."""

    __slots__ = ("id", "sealed", "segments")

    def __init__(self, id_: int, sealed: int, segments: Segments) -> None:
        self.id = id_
        self.sealed = sealed
        self.segments = segments


class PartReader:
    """Of one key domain.  All methods run under the store's lock."""

    def __init__(
        self, database: Database, sealer: Sealer, cache: SizedCache[Cached], domain: int
    ) -> None:
        self._db = database
        self._sealer = sealer
        self._cache = cache
        self._domain = domain
        self._found: SizedCache[_Found] = SizedCache(_FOUND_MAX)
        self._sealed = memoryview(bytearray())  # used anew by each read

    def segment(self, chunk: Reference, number: int) -> bytes | None:
        """The chunk's bytes in segment `number`; None where a part does not tell.

        Raises Corrupt, which says the part if it is no more than that."""
        key = (self._domain, chunk.digest, number)
        plain = self._cache.get(key)
        if not isinstance(plain, bytes):
            plain = self._read(chunk, number, number + 1, None)
            if plain is not None:
                self._cache.put(key, plain, len(plain))
        return plain

    def read_into(self, chunk: Reference, start: int, out: memoryview) -> bool:
        """Fill `out` with the chunk's bytes from `start` on; False where parts do not tell.

        `out` ends within the chunk.  Segments that are wanted as a whole are opened in place, and
        not kept: whoever reads so much does not come back soon.  Raises Corrupt, as above."""
        number, within = divmod(start, SEGMENT_BYTES)
        done = 0
        if within:
            plain = self.segment(chunk, number)
            if plain is None:
                return False
            done = min(SEGMENT_BYTES - within, len(out))
            out[:done] = plain[within : within + done]
            number += 1
        behind = number + (len(out) - done) // SEGMENT_BYTES
        if number < behind:
            end = done + (behind - number) * SEGMENT_BYTES
            if self._read(chunk, number, behind, out[done:end]) is None:
                return False
            done = end
        if done < len(out):
            plain = self.segment(chunk, behind)
            if plain is None:
                return False
            out[done:] = plain[: len(out) - done]
        return True

    def _read(
        self, chunk: Reference, first: int, behind: int, out: memoryview | None
    ) -> bytes | None:
        """Segments from `first` to before `behind`, in `out`, or, one of them, as what is returned;
        None where a part does not tell."""
        found = self._found.get(chunk.digest)
        if found is not None:
            try:
                return self._open(chunk, found, first, behind, out)
            except Corrupt:
                # Another volume of the domain may have given the chunk up, and its row is another.
                self._found.discard(chunk.digest)
        found = self._find(chunk)
        return None if found is None else self._open(chunk, found, first, behind, out)

    def _open(
        self, chunk: Reference, found: _Found, first: int, behind: int, out: memoryview | None
    ) -> bytes:
        sealed = self._load(found, first, behind)
        try:
            if out is None:
                return open_body(found.segments, first, sealed)
            open_run(found.segments, first, sealed, out)
        except BadTag as error:
            raise _damaged(chunk, error.number) from None
        return b""

    def _find(self, chunk: Reference) -> _Found | None:
        rows = self._db.raw_rows("chunk_locate", self._domain, chunk.digest)
        if not rows:
            return None
        id_, generation = rows[0]
        sealed = self._sealer.long_bytes(Purpose.CHUNK, chunk.length)
        siv = bytearray(SIV_BYTES)
        try:
            if generation != self._sealer.generation or self._db.read_sealed(id_, 0, siv) != sealed:
                return None
        except Corrupt:
            return None
        aad = (self._domain, chunk.digest)
        found = _Found(id_, sealed, self._sealer.segments(Purpose.CHUNK, aad, bytes(siv), sealed))
        self._found.put(chunk.digest, found, 1)
        return found

    def _load(self, found: _Found, first: int, behind: int) -> memoryview:
        """The segments from `first` to before `behind`, as they are stored.  Raises Corrupt."""
        start, stop = place(first), min(place(behind), found.sealed)
        if len(self._sealed) < stop - start:
            self._sealed = memoryview(bytearray(stop - start))
        into = self._sealed[: stop - start]
        self._db.read_sealed(found.id, start, into)
        return into

    def forget(self, digest: bytes) -> None:
        """The chunk's row goes, or is made anew."""
        self._found.discard(digest)


def _damaged(chunk: Reference, number: int) -> Corrupt:
    error = Corrupt(f"chunk {chunk.digest.hex()[:16]}: damaged; restore it from a copy")
    start = number * SEGMENT_BYTES
    error.part = start, min(start + SEGMENT_BYTES, chunk.length)
    return error
