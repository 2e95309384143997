"""The bytes of a file, as far as its chunks and the manifests above them are intact."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlfs.chunks import Entries, Reference, check_generation, decode_manifest
from sqlfs.crypto import Purpose
from sqlfs.errors import Corrupt, SqlfsError
from sqlfs.limits import MANIFEST_FANOUT
from sqlfs.maintenance.salvage.volumes import Unlocked
from sqlfs.store.wreck import Data, Wreck


@dataclass(frozen=True, slots=True)
class Stretch:
    """Slots of a file, from `first` on: the bytes of one, or None and why they are lost."""

    first: int
    count: int
    data: bytes | None
    why: str = ""


class Pieces:
    """The pieces of one key domain."""

    def __init__(self, wreck: Wreck, volume: Unlocked) -> None:
        self._wreck = wreck
        self._volume = volume
        self._all_claimed = False  # whether pieces without a digest were asked for theirs
        # Manifests that were gone through for nothing: a forged one may lead to them without end.
        self._hopeless: set[Reference] = set()

    def stretches(self, root: Reference, first: int = 0) -> Iterator[Stretch]:
        """What lies beneath a reference, in order; holes are left out."""
        if root.level == 0:
            try:
                yield Stretch(first, 1, self._chunk(root))
            except SqlfsError as error:
                yield Stretch(first, 1, None, error.message)
            return
        width: int = MANIFEST_FANOUT ** (root.level - 1)
        try:
            entries = self._entries(root)
        except SqlfsError as error:
            yield Stretch(first, width * MANIFEST_FANOUT, None, error.message)
            return
        is_hopeless = True
        for slot, entry in enumerate(entries):
            if entry is not None:
                for stretch in self.stretches(entry, first + slot * width):
                    is_hopeless = is_hopeless and stretch.data is None
                    yield stretch
        if is_hopeless:
            self._hopeless.add(root)

    def chunk_size(self, root: Reference) -> int | None:
        """What a file tells of the chunk size: that of a chunk which is not the last one."""
        if root.level == 0:
            return None
        try:
            entries = self._entries(root)
        except SqlfsError:
            return None
        if root.level == 1:
            return next((entry.length for entry in entries[:-1] if entry is not None), None)
        first = next((entry for entry in entries if entry is not None), None)
        return None if first is None else self.chunk_size(first)

    def _chunk(self, reference: Reference) -> bytes:
        plain = self._open(Purpose.CHUNK, reference, f"chunk {reference.digest.hex()[:16]}")
        if len(plain) != reference.length:
            raise Corrupt(f"chunk {reference.digest.hex()[:16]} has another length")
        return plain

    def _entries(self, reference: Reference) -> Entries:
        what = f"manifest {reference.digest.hex()[:16]}"
        if reference in self._hopeless:
            raise Corrupt(f"nothing beneath {what} can be read")
        body = self._open(Purpose.MANIFEST, reference, what)
        entries = decode_manifest(body, reference.level, what)
        if sum(entry.length for entry in entries if entry is not None) != reference.length:
            raise Corrupt(f"{what} holds another number of bytes")
        return entries

    def _places(self, digest: bytes) -> list[Data]:
        finds, domain = self._wreck.finds, self._volume.domain
        places = finds.data(domain, digest)
        if not places and not self._all_claimed:
            self._all_claimed = True
            finds.claim_by_content(domain, self._digests)
            places = finds.data(domain, digest)
        return places

    def _digests(self, place: Data) -> Sequence[bytes]:
        """The ids that a piece has if it is a chunk, and if it is a manifest, unless ids are
        random."""
        sealed, sealer = self._wreck.sealed(place), self._volume.sealer
        body = None if sealed is None else sealer.body_unverified(sealed)
        return () if body is None else (sealer.chunk_id(body), sealer.manifest_id(body))

    def _open(self, purpose: Purpose, reference: Reference, what: str) -> bytes:
        volume = self._volume
        aad: tuple[bytes | int, ...] = (volume.domain, reference.digest)
        if purpose is Purpose.MANIFEST:
            aad = (*aad, reference.level)
        places = self._places(reference.digest)
        for place in places:
            sealed = self._wreck.sealed(place)
            if sealed is None:
                continue
            try:
                check_generation(volume.sealer, place.generation, what)
                return volume.sealer.open(purpose, aad, sealed, what)
            except SqlfsError:
                continue
        raise Corrupt(f"{what} is {'damaged' if places else 'missing'}")
