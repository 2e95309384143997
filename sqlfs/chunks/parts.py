"""Reading a part of a long chunk: of what is stored, only the segments that it lies in.

Where a chunk's row and its key are is remembered, so that the next part costs no search.  What a
part can't tell is left to whoever reads the whole: chunks of one segment, and those that are
missing or have another length than they should.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from sqlfs.chunks.cache import SizedCache
from sqlfs.chunks.reference import Entries, Reference
from sqlfs.crypto import Purpose, Sealer
from sqlfs.crypto.segments import (
    SEGMENT_BYTES,
    SIV_BYTES,
    BadTag,
    Segments,
    open_body,
    place,
)
from sqlfs.errors import Corrupt
from sqlfs.store import Database

T = TypeVar("T")

# A chunk's bytes, a manifest's entries, or a segment's bytes.
Cached = bytes | Entries

# Chunks that are remembered: about 1 KiB each.
_FOUND_MAX: Final = 2048


@dataclass(frozen=True, slots=True)
class _Found:
    """A chunk's row.  ``sealed``: bytes that it takes there."""

    id: int
    sealed: int
    segments: Segments


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
        if isinstance(plain, bytes):
            return plain

        def read(found: _Found) -> bytes:
            sealed = self._load(found, number, number + 1)
            try:
                return open_body(found.segments, number, sealed)
            except BadTag:
                raise _damaged(chunk, number) from None

        plain = self._read(chunk, read)
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
        if number < behind and not self._read_whole(chunk, number, behind, out[done:]):
            return False
        done += (behind - number) * SEGMENT_BYTES
        if done < len(out):
            plain = self.segment(chunk, behind)
            if plain is None:
                return False
            out[done:] = plain[: len(out) - done]
        return True

    def _read_whole(self, chunk: Reference, first: int, behind: int, out: memoryview) -> bool:
        def read(found: _Found) -> bool:
            sealed = self._load(found, first, behind)
            at = 0
            for number in range(first, behind):
                end = place(number + 1) - place(first)
                into = out[(number - first) * SEGMENT_BYTES :][:SEGMENT_BYTES]
                try:
                    if number:
                        found.segments.open_into(number, sealed[at:end], into)
                    else:
                        into[:] = open_body(found.segments, number, sealed[at:end])
                except BadTag:
                    raise _damaged(chunk, number) from None
                at = end
            return True

        return self._read(chunk, read) is not None

    def _read(self, chunk: Reference, read: Callable[[_Found], T]) -> T | None:
        """What `read` makes of the chunk's row; None where a part does not tell."""
        found = self._found.get(chunk.digest)
        if found is not None:
            try:
                return read(found)
            except Corrupt:
                # Another volume of the domain may have given the chunk up, and its row is another.
                self._found.discard(chunk.digest)
        found = self._find(chunk)
        return None if found is None else read(found)

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
