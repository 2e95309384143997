"""A volume's row: what everybody may see, and the same again under seal."""

from __future__ import annotations

import logging
import os
import struct
import time
from dataclasses import dataclass, replace

from sqlfs.crypto import (
    KdfParameters,
    KeySlot,
    Purpose,
    Sealer,
    derive_kek,
    make_slot,
    new_master,
    unwrap,
)
from sqlfs.errors import (
    Corrupt,
    Invalid,
    NoPassphraseNeeded,
    PassphraseNeeded,
    VolumeExists,
    WrongPassphrase,
)
from sqlfs.limits import (
    CHUNK_BYTES_MAX,
    CHUNK_BYTES_MIN,
    COMPRESSION_MAX,
    FILE_BYTES_MAX,
    NAME_BYTES_MAX,
    NODE_ID_MAX,
)
from sqlfs.store import Database, IdSource
from sqlfs.store.rows import Row
from sqlfs.types import Quota, VolumeInfo

log = logging.getLogger("sqlfs")

_SETTINGS = struct.Struct("<QQQQBBBQQ")
_QUOTA = struct.Struct("<QQ")
_FIRST_EPOCH = 1
_FIRST_GENERATION = 1


@dataclass(frozen=True, slots=True)
class VolumeRow:
    """A row of the volume table."""

    info: VolumeInfo
    domain: int
    generation: int
    id_generation: int
    sealed: bytes

    @classmethod
    def of(cls, row: Row) -> VolumeRow:
        id_, uuid, name, root, domain, encrypted, generation, ids, chunk, *rest = row
        dedupe, compression, epoch, made, sealed = rest
        info = VolumeInfo(
            id_, bytes(uuid), name, root, bool(encrypted), bool(dedupe), compression, chunk, made,
            epoch,
        )  # fmt: skip
        return cls(info, domain, generation, ids, bytes(sealed))

    def body(self, quota: Quota) -> bytes:
        """What is sealed: the columns again, and the quota, which stands nowhere else."""
        info = self.info
        fixed = _SETTINGS.pack(
            info.root,
            self.domain,
            self.id_generation,
            info.chunk_size,
            info.encrypted,
            info.dedupe,
            info.compression,
            info.epoch,
            info.created_ns,
        )
        return fixed + _QUOTA.pack(quota.bytes, quota.nodes) + info.name.encode()

    def check(self, sealer: Sealer) -> Quota:
        """Raises Corrupt when a setting differs from what was sealed."""
        info = self.info
        what = f"settings of volume {info.name!r}"
        body = sealer.open(Purpose.VOLUME, (info.uuid, info.id), self.sealed, what)
        try:
            quota = Quota(*_QUOTA.unpack_from(body, _SETTINGS.size))
            same = body == self.body(quota) and self.generation == sealer.generation
        except (struct.error, TypeError):
            quota, same = Quota(), False
        if not same:
            raise Corrupt(f"{what}: they were changed behind the volume's back")
        if info.chunk_size not in _CHUNK_SIZES:
            raise Corrupt(f"{what}: chunk size {info.chunk_size}")
        if info.compression > COMPRESSION_MAX:
            raise Corrupt(f"{what}: compression {info.compression}")
        return quota


_CHUNK_SIZES = tuple(1 << bit for bit in range(12, 23))
assert _CHUNK_SIZES[0] == CHUNK_BYTES_MIN
assert _CHUNK_SIZES[-1] == CHUNK_BYTES_MAX


@dataclass(frozen=True, slots=True)
class NewVolume:
    """What is chosen when a volume is made."""

    name: str
    passphrase: bytes | None
    chunk_size: int
    dedupe: bool
    compression: int
    kdf: KdfParameters | None

    def check(self) -> None:
        try:
            length = len(self.name.encode())
        except UnicodeEncodeError:
            raise Invalid(f"a volume's name is text, unlike {self.name!r}") from None
        if not 1 <= length <= NAME_BYTES_MAX:
            raise Invalid(f"a volume's name has 1 to {NAME_BYTES_MAX} bytes")
        if any(ord(char) < 32 or char in ":/\x7f" for char in self.name):
            raise Invalid(
                f"a volume's name has no colon, slash or control character: {self.name!r}"
            )
        if self.chunk_size not in _CHUNK_SIZES:
            raise Invalid(
                f"a chunk size of {self.chunk_size}: give a power of two from"
                f" {CHUNK_BYTES_MIN} to {CHUNK_BYTES_MAX}"
            )
        if not 0 <= self.compression <= COMPRESSION_MAX:
            raise Invalid(f"a compression of {self.compression}: give 0 to {COMPRESSION_MAX}")
        if self.passphrase is not None and not self.passphrase:
            raise Invalid("the passphrase is empty")


def read_volumes(database: Database) -> list[VolumeRow]:
    """Those that can be read; of the others the log tells."""
    found = []
    for (id_,) in database.rows("volume_ids"):
        try:
            found += [VolumeRow.of(row) for row in database.rows("volume_by_id", id_)]
        except Corrupt as error:
            log.error("%s", error)
    return found


def read_slots(database: Database, volume: int) -> list[tuple[int, int, KeySlot]]:
    """The volume's key slots: number, generation, slot.  One that can't be read opens nothing."""
    found = []
    for row in database.raw_rows("key_slot_all", volume):
        damage = database.damage("key_slot_all", row)
        if damage is not None:
            log.error("%s is damaged: %s", database.path, damage)
            continue
        slot, generation, memory, passes, lanes, salt, commitment, wrapped = row
        costs = KdfParameters(memory, passes, lanes)
        found.append((slot, generation, KeySlot(salt, costs, commitment, wrapped)))
    return found


def insert_volume(
    database: Database, new: NewVolume, volume_ids: IdSource, root: int
) -> tuple[VolumeRow, Sealer]:
    """Write the rows of a new volume, but for its root node.  Runs inside the transaction."""
    new.check()
    if database.row("volume_by_name", new.name) is not None:
        raise VolumeExists(f"{database.path} has a volume {new.name!r} already")
    id_ = volume_ids.next()
    uuid = os.urandom(16)
    encrypted = new.passphrase is not None
    info = VolumeInfo(
        id_, uuid, new.name, root, encrypted, new.dedupe, new.compression, new.chunk_size,
        time.time_ns(), _FIRST_EPOCH,
    )  # fmt: skip
    sealer = Sealer.plain()
    if new.passphrase is not None:
        master = new_master()
        sealer = Sealer.from_master(master, _FIRST_GENERATION)
        _insert_slot(database, info, master, new.passphrase, new.kdf)
    # Plain volumes share one domain, so that they share chunks.
    domain = id_ if encrypted else 0
    row = VolumeRow(info, domain, sealer.generation, sealer.generation, b"")
    sealed = sealer.seal(Purpose.VOLUME, (uuid, id_), row.body(Quota()))
    database.write(
        "volume_insert", id_, uuid, info.name, root, row.domain, int(encrypted),
        row.generation, row.id_generation, info.chunk_size, int(info.dedupe), info.compression,
        info.epoch, info.created_ns, sealed,
    )  # fmt: skip
    return replace(row, sealed=sealed), sealer


def check_bounds(quota: Quota) -> None:
    """Raises Invalid."""
    if not (0 <= quota.bytes <= FILE_BYTES_MAX and 0 <= quota.nodes <= NODE_ID_MAX):
        raise Invalid(f"a quota of {quota.bytes} bytes and {quota.nodes} nodes is out of bounds")


def write_quota(database: Database, row: VolumeRow, sealer: Sealer, quota: Quota) -> None:
    """Runs inside the transaction."""
    info = row.info
    sealed = sealer.seal(Purpose.VOLUME, (info.uuid, info.id), row.body(quota))
    database.write("volume_seal", sealed, info.id)


def _insert_slot(
    database: Database,
    info: VolumeInfo,
    master: bytes,
    passphrase: bytes,
    kdf: KdfParameters | None,
) -> None:
    slot = make_slot(
        master, passphrase, info.uuid, 0, _FIRST_GENERATION, *(() if kdf is None else (kdf,))
    )
    kdf = slot.kdf
    database.write(
        "key_slot_insert", info.id, 0, _FIRST_GENERATION, kdf.memory_kib, kdf.passes, kdf.lanes,
        slot.salt, slot.commitment, slot.wrapped,
    )  # fmt: skip


def unlock(
    database: Database, row: VolumeRow, passphrase: bytes | None, kek: bytes | None = None
) -> Sealer:
    """The sealer of a volume.  `kek` stands for the passphrase."""
    info = row.info
    keks = _keks(database, info, passphrase, kek)
    if not info.encrypted:
        if keks is not None:
            raise NoPassphraseNeeded(
                f"volume {info.name!r} is not encrypted; open it without a passphrase"
            )
        sealer = Sealer.plain()
    else:
        if keks is None:
            raise PassphraseNeeded(f"volume {info.name!r} is encrypted; give its passphrase")
        master = _master(database, info, keks)
        sealer = Sealer.from_master(master, row.generation, row.id_generation)
    row.check(sealer)
    return sealer


def _keks(
    database: Database, info: VolumeInfo, passphrase: bytes | None, kek: bytes | None
) -> list[bytes] | None:
    """One per key slot, in the order of the slots."""
    slots = [slot for _, _, slot in read_slots(database, info.id)]
    if kek is not None:
        return [kek] * max(1, len(slots))
    if passphrase is None:
        return None
    return [derive_kek(passphrase, slot.salt, slot.kdf) for slot in slots]


def _master(database: Database, info: VolumeInfo, keks: list[bytes]) -> bytes:
    for (number, generation, slot), kek in zip(read_slots(database, info.id), keks, strict=False):
        try:
            return unwrap(slot, kek, info.uuid, number, generation)
        except WrongPassphrase:
            continue
    raise WrongPassphrase(f"wrong passphrase for volume {info.name!r}")
