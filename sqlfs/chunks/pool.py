"""The pool: sealed pieces found by digest, stored once per key domain, reference counted.

Who holds a :class:`Reference` from :meth:`ChunkPool.add`, :meth:`~ChunkPool.put_together` or
:meth:`~ChunkPool.hold` owns one count of the piece, and passes it on or drops it.  Counts are
exact over what exists: the manifests in the pool, the nodes, the reclaim queue.  All methods
but :meth:`~ChunkPool.seal` run under the store's lock; those that change something, inside
its transaction.
"""

from __future__ import annotations

import logging
import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from sqlfs.chunks.cache import SizedCache
from sqlfs.chunks.parts import Cached, PartReader
from sqlfs.chunks.reference import Entries, Reference, decode_manifest, encode_manifest
from sqlfs.chunks.rows import check_generation, unpack
from sqlfs.crypto import Codec, Purpose, Sealer, built
from sqlfs.crypto.compression import Compressor
from sqlfs.crypto.segments import SEGMENT_BYTES
from sqlfs.errors import Corrupt
from sqlfs.limits import MANIFEST_LEVEL_MAX
from sqlfs.store import Database, IdSource

log = logging.getLogger("sqlfs")

_RECLAIM = struct.Struct("<B32s")
_MANIFEST_CACHE_ENTRY_BYTES = 24 * 1024
_SEALED_MANIFEST_BYTES_MAX = 6 * 1024
_KNOWN_BYTES = 120
# Stands for a count that no chunk can have: then nothing is counted, and nothing goes.
_UNCOUNTED = 2**62


@dataclass(frozen=True, slots=True)
class SealedChunk:
    """A chunk ready to be stored.  ``sealed`` is None when the pool was seen to have it."""

    digest: bytes
    plain: bytes
    sealed: bytes | None


class ChunkPool:
    """The pieces of one key domain, as one volume reads and writes them."""

    def __init__(
        self,
        database: Database,
        sealer: Sealer,
        cache: SizedCache[Cached],
        *,
        volume: int,
        domain: int,
        dedupe: bool,
        compression: int,
        reclaim_ids: IdSource,
    ) -> None:
        self._db = database
        self._sealer = sealer
        self._cache = cache
        self._parts = PartReader(database, sealer, cache, domain)
        self._volume = volume
        self._domain = domain
        self._dedupe = dedupe
        self._compression = compression
        self._reclaim_ids = reclaim_ids
        # Digests stored lately: their next copy need not be sealed only to be thrown away.
        self._damaged: set[bytes] = set()  # digests of chunks that could not be read
        self._known: SizedCache[bool] = SizedCache(8192 * _KNOWN_BYTES)
        # Pieces to which references came, went or moved; kept while somebody counts them.
        self.moved: set[bytes] | None = None

    # --- storing ---

    def seal(self, plain: bytes) -> SealedChunk:
        """Digest and seal; needs no lock and may run on any thread."""
        if not self._dedupe:
            digest = os.urandom(32)
        else:
            digest = self._sealer.chunk_id(plain)
            if self._known.get(digest):
                return SealedChunk(digest, plain, None)
        return SealedChunk(digest, plain, self._seal_chunk(digest, plain))

    def add(self, chunk: SealedChunk) -> Reference:
        """Store the chunk, or count one more reference to the one that is there.

        One that could not be read is stored anew: whoever writes a damaged file again mends it.
        """
        sealed = chunk.sealed
        if not self._count_one_more(chunk.digest):
            if sealed is None:
                sealed = self._seal_chunk(chunk.digest, chunk.plain)
            self._insert(chunk.digest, sealed)
        elif chunk.digest in self._damaged:
            self._mend(chunk.digest, self._seal_chunk(chunk.digest, chunk.plain))
        if self._dedupe:
            self._known.put(chunk.digest, True, _KNOWN_BYTES)
        return Reference(0, len(chunk.plain), chunk.digest)

    def put_together(self, level: int, entries: Entries) -> Reference:
        """Store a manifest.  The references in `entries` pass to it."""
        body = encode_manifest(level, entries)
        length = sum(entry.length for entry in entries if entry is not None)
        digest = self._sealer.manifest_id(body) if self._dedupe else os.urandom(32)
        reference = Reference(level, length, digest)
        self._note(entries)
        if self._count_one_more(digest):
            self.drop(*(entry for entry in entries if entry is not None))
        else:
            sealed = self._sealer.seal(Purpose.MANIFEST, (self._domain, digest, level), body)
            self._insert(digest, sealed)
        self._cache.put(self._key(reference), tuple(entries), _MANIFEST_CACHE_ENTRY_BYTES)
        return reference

    def take_apart(self, manifest: Reference) -> list[Reference | None]:
        """The manifest's entries, each with a reference that passes to the caller in exchange
        for the one to the manifest."""
        entries = list(self.entries(manifest))
        self._note(entries)
        if self._find(manifest)[1] > 1:
            for entry in entries:
                if entry is not None:
                    self.hold(entry)
        self._release(manifest)
        return entries

    def hold(self, reference: Reference) -> Reference:
        """Count one more reference."""
        self._note((reference,))
        self._db.write("chunk_ref", self._domain, reference.digest)
        return reference

    def drop(self, *references: Reference) -> None:
        """Give up one reference each; a manifest waits in the reclaim queue to be taken apart."""
        self._release(*(each for each in references if each.level == 0))
        for manifest in references:
            if manifest.level == 0:
                continue
            self._note((manifest,))
            id_ = self._reclaim_ids.next()
            body = _RECLAIM.pack(manifest.level, manifest.digest)
            sealed = self._sealer.seal(Purpose.RECLAIM, (self._volume, id_), body)
            self._db.write("reclaim_insert", id_, self._volume, self._sealer.generation, sealed)

    def drop_second(self, chunk: Reference) -> None:
        """Give up one of two references held to the same chunk, which stays: also where one of
        them was to a row that had gone missing, and so was not counted."""
        self._note((chunk,))
        id_, refs = self._find(chunk)
        if id_ and refs > 1:
            self._set_refs(id_, refs, refs - 1)

    def reclaim_step(self) -> bool:
        """Work off one row of the reclaim queue; False when it is empty."""
        rows = self._db.raw_rows("reclaim_next", self._volume)
        if not rows:
            return False
        id_, generation, sealed = rows[0]
        with self._db.writing():
            try:
                manifest = self.decode_reclaim(id_, generation, sealed)
                shared = self._find(manifest)[1] > 1
                entries = [] if shared else self.entries(manifest)
            except Corrupt as error:
                # What can't be read can't be taken apart: its pieces stay, for check to find.
                log.error("%s: %s", self._db.path, error)
                self._db.write("reclaim_delete", id_)
                return True
            self._db.write("reclaim_delete", id_)
            self._release(manifest)
            self.drop(*(entry for entry in entries if entry is not None))
        return True

    # --- reading ---

    def read(self, chunk: Reference) -> bytes:
        """The chunk's bytes.  Raises Corrupt."""
        cached = self._cached(chunk)
        if cached is not None:
            return cached
        what = f"chunk {chunk.digest.hex()[:16]}"
        aad = (self._domain, chunk.digest)
        try:
            plain = self._sealer.open(Purpose.CHUNK, aad, self._load(chunk, what), what)
        except Corrupt:
            self._damaged.add(chunk.digest)
            raise
        if len(plain) != chunk.length:
            raise Corrupt(f"{what}: {len(plain)} bytes where {chunk.length} were referred to")
        self._cache.put(self._key(chunk), plain, len(plain))
        return plain

    def _cached(self, chunk: Reference) -> bytes | None:
        cached = self._cache.get(self._key(chunk))
        return cached if isinstance(cached, bytes) and len(cached) == chunk.length else None

    def read_range(self, chunk: Reference, start: int, stop: int) -> bytes:
        """The chunk's bytes from `start` to before `stop`, or its end.  Raises Corrupt."""
        if chunk.length <= SEGMENT_BYTES:
            return self.read(chunk)[start:stop]
        stop = min(stop, chunk.length)
        number, within = divmod(start, SEGMENT_BYTES)
        if start >= stop or within + stop - start > SEGMENT_BYTES:
            return built(max(0, stop - start), lambda out: self.read_into(chunk, start, out))
        whole = self._cached(chunk)
        if whole is not None:
            return whole[start:stop]
        try:
            plain = self._parts.segment(chunk, number)
        except Corrupt:
            self._damaged.add(chunk.digest)
            raise
        if plain is None:
            return self.read(chunk)[start:stop]
        return plain[within : within + stop - start]

    def read_into(self, chunk: Reference, start: int, out: memoryview) -> None:
        """Fill `out` with the chunk's bytes from `start` on; where it is longer than what is left
        of them, the rest of it stays as it is.  Raises Corrupt."""
        out = out[: max(0, chunk.length - start)]
        whole = self._cached(chunk)
        if whole is None and chunk.length > SEGMENT_BYTES:
            try:
                if self._parts.read_into(chunk, start, out):
                    return
            except Corrupt:
                self._damaged.add(chunk.digest)
                raise
        if whole is None:
            whole = self.read(chunk)
        out[:] = whole[start : start + len(out)]

    def entries(self, manifest: Reference) -> tuple[Reference | None, ...]:
        """The manifest's entries.  Raises Corrupt."""
        key = self._key(manifest)
        cached = self._cache.get(key)
        if isinstance(cached, tuple):
            return cached
        what = f"manifest {manifest.digest.hex()[:16]}"
        aad = (self._domain, manifest.digest, manifest.level)
        body = self._sealer.open(Purpose.MANIFEST, aad, self._load(manifest, what), what)
        entries = decode_manifest(body, manifest.level, what)
        # In the reclaim queue only level and digest are known (length 0).
        total = sum(entry.length for entry in entries if entry is not None)
        if manifest.length and total != manifest.length:
            raise Corrupt(f"{what}: holds {total} bytes where {manifest.length} were referred to")
        self._cache.put(key, entries, _MANIFEST_CACHE_ENTRY_BYTES)
        return entries

    def examine(
        self, id_: int, digest: bytes, levels: Iterable[int], *, any_generation: bool = False
    ) -> Reference:
        """Open the piece in row `id_`, which is expected at one of `levels`, and leave the cache as
        it is; with `any_generation` whatever the row says of its own.

        Raises Corrupt; the piece is then stored anew when its bytes come again."""
        what = f"piece {digest.hex()[:16]}"
        try:
            row = self._db.row("chunk_data_get", id_)
            if row is None:
                raise Corrupt(f"{what} is missing")
            if not any_generation:
                check_generation(self._sealer, row[0], what)
            return self._examine(levels, digest, row[1], what)
        except Corrupt:
            self._damaged.add(digest)
            raise

    def _examine(self, levels: Iterable[int], digest: bytes, sealed: bytes, what: str) -> Reference:
        failed = Corrupt(f"{what}: too long for a manifest")
        for level in levels:
            if level and len(sealed) > _SEALED_MANIFEST_BYTES_MAX:
                continue
            try:
                return self._opened_as(level, digest, sealed, what)
            except Corrupt as error:
                failed = error
        raise failed

    def _opened_as(self, level: int, digest: bytes, sealed: bytes, what: str) -> Reference:
        if level == 0:
            aad: tuple[int | bytes, ...] = (self._domain, digest)
            plain = self._sealer.open(Purpose.CHUNK, aad, sealed, what)
            length, right = len(plain), self._sealer.chunk_id
        else:
            aad = (self._domain, digest, level)
            plain = self._sealer.open(Purpose.MANIFEST, aad, sealed, what)
            entries = decode_manifest(plain, level, what)
            length = sum(entry.length for entry in entries if entry is not None)
            right = self._sealer.manifest_id
        if self._dedupe and right(plain) != digest:
            raise Corrupt(f"{what}: its digest is that of other bytes")
        return Reference(level, length, digest)

    # --- rows ---

    def _note(self, references: Iterable[Reference | None]) -> None:
        if self.moved is not None:
            self.moved.update(each.digest for each in references if each is not None)

    def _note_digest(self, digest: bytes) -> None:
        if self.moved is not None:
            self.moved.add(digest)

    def _key(self, reference: Reference) -> tuple[int, int, bytes]:
        # With the level: a forged manifest that names itself as what lies beneath it is not found
        # here, and what is stored does not open as a manifest of that level.
        return (self._domain, reference.level, reference.digest)

    def _seal_chunk(self, digest: bytes, plain: bytes) -> bytes:
        aad = (self._domain, digest)
        if self._compression:
            body = Compressor(self._compression).compressed(plain)
            if body is not None:
                return self._sealer.seal(Purpose.CHUNK, aad, body, Codec.ZSTD)
        return self._sealer.seal(Purpose.CHUNK, aad, plain)

    def _insert(self, digest: bytes, sealed: bytes) -> None:
        self._note_digest(digest)
        self._db.write("chunk_insert", self._domain, digest)
        id_, generation = self._db.last_id(), self._sealer.generation
        self._db.write_blob("chunk_data_insert", id_, generation, sealed)

    def _mend(self, digest: bytes, sealed: bytes) -> None:
        id_, _ = self._counted(digest)
        self._parts.forget(digest)
        if id_:
            self._db.write("chunk_data_delete", id_)
            self._db.write_blob("chunk_data_insert", id_, self._sealer.generation, sealed)
        self._damaged.discard(digest)

    def _count_one_more(self, digest: bytes) -> bool:
        if not self._dedupe:
            return False
        id_, refs = self._counted(digest)
        if not id_:
            return False
        self._note_digest(digest)
        self._set_refs(id_, refs, refs + 1)
        return True

    def _find(self, reference: Reference) -> tuple[int, int]:
        """Row and count of a piece; (0, 0) where it is missing."""
        return self._counted(reference.digest)

    def _counted(self, digest: bytes) -> tuple[int, int]:
        for id_, refs in self._db.raw_rows("chunk_find", self._domain, digest):
            if type(refs) is int and 1 <= refs < _UNCOUNTED:
                return id_, refs
            log.error(
                "%s: chunk %s has no sound count, and is kept; sqlfs check --repair counts anew",
                self._db.path,
                digest.hex()[:16],
            )
            return id_, _UNCOUNTED
        return 0, 0

    def _set_refs(self, id_: int, old: int, new: int) -> None:
        if old != _UNCOUNTED:
            self._db.write("chunk_set_refs", id_, new)

    def _release(self, *references: Reference) -> None:
        self._note(references)
        gone: list[tuple[int]] = []
        for reference in references:
            id_, refs = self._find(reference)
            if refs > 1:
                self._set_refs(id_, refs, refs - 1)
            elif id_:  # one that is missing is reported by whoever reads it
                gone.append((id_,))
                self._known.discard(reference.digest)
                self._parts.forget(reference.digest)
                self._cache.discard(self._key(reference))
        if gone:
            self._db.write_many("chunk_delete", gone)
            self._db.write_many("chunk_data_delete", gone)

    def _load(self, reference: Reference, what: str) -> bytes:
        row = self._db.row("chunk_load", self._domain, reference.digest)
        if row is None:
            raise Corrupt(f"{what} is missing")
        generation, sealed = row
        check_generation(self._sealer, generation, what)
        return bytes(sealed)

    def decode_reclaim(self, id_: int, generation: int, sealed: bytes) -> Reference:
        """What waits in a row of the queue, which holds a reference to it.  Raises Corrupt."""
        what = f"reclaim row {id_}"
        check_generation(self._sealer, generation, what)
        body = self._sealer.open(Purpose.RECLAIM, (self._volume, id_), sealed, what)
        level, digest = unpack(_RECLAIM, body, what)
        if not 1 <= level <= MANIFEST_LEVEL_MAX:
            raise Corrupt(f"{what}: level {level}")
        return Reference(level, 0, digest)
