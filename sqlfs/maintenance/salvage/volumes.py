"""Which volumes a malformed file has, and their keys."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlfs.crypto import KdfParameters, KeySlot, Purpose, Sealer, derive_kek, unwrap
from sqlfs.errors import (
    Corrupt,
    NoPassphraseNeeded,
    PassphraseNeeded,
    SqlfsError,
    WrongPassphrase,
)
from sqlfs.store.wreck import Finds, Wreck
from sqlfs.volume.settings import VolumeRow

log = logging.getLogger("sqlfs")

# Of nodes: how many are tried to learn under which uuid they open.
_TRIED_MAX = 1000


@dataclass(slots=True)
class Traces:
    """What tells of a volume: rows of settings, of which none need be sound, uuids, key slots."""

    id: int
    rows: list[VolumeRow] = field(default_factory=list)
    uuids: list[bytes] = field(default_factory=list)
    is_encrypted: bool = False

    @property
    def name(self) -> str:
        """As its settings say, or made of its id."""
        return self.rows[0].info.name if self.rows else f"volume-{self.id}"


@dataclass(frozen=True, slots=True)
class Unlocked:
    """Of a volume, what its rows are opened with.  ``root`` and ``chunk_size``: None where its
    settings are lost, for others to tell."""

    id: int
    uuid: bytes
    domain: int
    sealer: Sealer = field(repr=False)
    root: int | None = None
    chunk_size: int | None = None


def find_volumes(wreck: Wreck) -> list[Traces]:
    """Every volume that left a trace, by id.  Raises Corrupt if there is none."""
    finds = wreck.finds
    found: dict[int, Traces] = {}
    for row in finds.volumes():
        settings = VolumeRow.of(row)
        traces = found.setdefault(settings.info.id, Traces(settings.info.id))
        traces.rows.append(settings)
        traces.uuids.append(settings.info.uuid)
        traces.is_encrypted |= settings.info.encrypted
    for uuid, id_ in finds.uuids():
        found.setdefault(id_, Traces(id_)).uuids.append(uuid)
    if not found:
        raise Corrupt(
            f"{wreck.path}: no trace of a volume was found, without whose settings nothing opens"
        )
    for traces in found.values():
        traces.is_encrypted |= bool(finds.slots(traces.id))
        traces.uuids = list(dict.fromkeys(traces.uuids))
    return [found[id_] for id_ in sorted(found)]


def unlock(finds: Finds, traces: Traces, passphrase: bytes | None) -> Unlocked:
    """Raises WrongPassphrase, PassphraseNeeded, NoPassphraseNeeded, and Corrupt where nothing of
    the volume can be opened."""
    if traces.is_encrypted and passphrase is None:
        raise PassphraseNeeded(f"volume {traces.name!r} is encrypted; give its passphrase")
    if passphrase is not None and not traces.is_encrypted:
        raise NoPassphraseNeeded(
            f"volume {traces.name!r} is not encrypted; salvage it without a passphrase"
        )
    master, generation = None, 0
    if passphrase is not None:
        master, generation = _master(finds, traces, passphrase)
    for row in traces.rows:
        sealer = _sealer(master, generation, row.id_generation)
        try:
            row.check(sealer)
        except SqlfsError as error:
            log.error("%s", error)
            continue
        info = row.info
        return Unlocked(info.id, info.uuid, row.domain, sealer, info.root, info.chunk_size)
    sealer = _sealer(master, generation, generation)
    domain = 0 if master is None else traces.id
    for uuid in traces.uuids:
        if _opens(finds, traces.id, uuid, sealer):
            return Unlocked(traces.id, uuid, domain, sealer)
    raise Corrupt(f"of volume {traces.name!r} no node can be opened: nothing of it can be salvaged")


def _sealer(master: bytes | None, generation: int, id_generation: int) -> Sealer:
    if master is None:
        return Sealer.plain()
    return Sealer.from_master(master, generation, max(0, id_generation))


def _opens(finds: Finds, volume: int, uuid: bytes, sealer: Sealer) -> bool:
    for _, id_ in zip(range(_TRIED_MAX), finds.node_ids(volume), strict=False):
        for _, since, _, sealed in finds.nodes(id_, volume):
            try:
                sealer.open(Purpose.NODE, (uuid, id_, since), sealed, f"node {id_}")
            except SqlfsError:
                continue
            return True
    return False


def _master(finds: Finds, traces: Traces, passphrase: bytes) -> tuple[bytes, int]:
    """The master key, and its generation."""
    damage: SqlfsError | None = None
    tried = False
    for number, generation, slot in _slots(finds, traces.id):
        try:
            kek = derive_kek(passphrase, slot.salt, slot.kdf)
        except SqlfsError as error:
            damage = error
            continue
        for uuid in traces.uuids:
            try:
                return unwrap(slot, kek, uuid, number, generation), generation
            except WrongPassphrase:
                tried = True
            except SqlfsError as error:
                damage = error
    if tried:
        raise WrongPassphrase(
            f"wrong passphrase for volume {traces.name!r}, or its key slots are damaged"
        )
    raise Corrupt(
        f"volume {traces.name!r} is encrypted, and no key slot of it is intact"
        f" ({damage or 'none was found'}): nothing of it can be salvaged"
    )


def _slots(finds: Finds, volume: int) -> Iterator[tuple[int, int, KeySlot]]:
    """Number, generation and slot."""
    for number, generation, memory, passes, lanes, salt, commitment, wrapped in finds.slots(volume):
        if 0 <= generation < 2**63:
            costs = KdfParameters(memory, passes, lanes)
            yield number, generation, KeySlot(salt, costs, commitment, wrapped)
