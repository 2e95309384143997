"""What every row of a volume's namespace is sealed with."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from sqlfs.chunks import check_generation
from sqlfs.crypto import Purpose, Sealer
from sqlfs.errors import Corrupt
from sqlfs.store import Database


@dataclass(frozen=True, slots=True)
class VolumeRows:
    """The place of a volume's rows: its database, id, uuid, sealer and epoch."""

    db: Database
    volume: int
    uuid: bytes
    sealer: Sealer
    epoch: int

    def open(
        self,
        purpose: Purpose,
        aad: Sequence[bytes | int],
        generation: int,
        sealed: bytes,
        what: str,
    ) -> bytes:
        """Open what a row of key generation `generation` holds.  Raises Corrupt."""
        check_generation(self.sealer, generation, what)
        try:
            return self.sealer.open(purpose, aad, sealed, what)
        except (TypeError, struct.error):
            raise Corrupt(f"{what}: a column of its row is empty, or of another type") from None
