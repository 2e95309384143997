"""From a seed to a mutant: a specimen, damaged in one way or several."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import apsw

from sqlfs.errors import Corrupt
from sqlfs.store.lineage import LINEAGE_PAGE, RECORD_BYTES
from tests.fuzz import bytes_damage, forgery, log_damage, row_damage
from tests.fuzz.specimens import PAGE, Specimen

_RECORD: Final = slice(LINEAGE_PAGE * PAGE - RECORD_BYTES, LINEAGE_PAGE * PAGE)


@dataclass(frozen=True)
class Mutant:
    """``forged``: it holds what its maker wanted, rightly sealed.  ``background``: it is opened
    with the thread that commits; ``accept_state``: with the word to go on from what it holds."""

    seed: int
    specimen: Specimen
    path: Path
    what: str
    forged: bool
    background: bool
    accept_state: bool

    @property
    def is_repaired(self) -> bool:
        return self.seed % 3 == 0

    @property
    def name(self) -> str:
        return f"seed {self.seed}: {self.specimen.kind.name}, {self.path.stem}: {self.what}"


def make(seed: int, specimens: list[Specimen]) -> Mutant:
    """The mutant of that seed, on disk: in the place of its specimen, or as a copy of it."""
    chance = random.Random(seed)
    specimen = chance.choice(specimens)
    specimen.restore()
    forged = False
    if specimen.log is not None and chance.random() < 0.85:
        what = _damage_log(chance, specimen)
    elif specimen.log is not None or chance.random() < 0.4:
        what = _damage_bytes(chance, specimen, specimens)
    elif forged := chance.random() < 0.35:
        what = _edit(chance, specimen, forge=True)
    else:
        what = _edit(chance, specimen, forge=False)
    path = specimen.path
    if chance.random() < 0.3:
        path = _copied(specimen)
    return Mutant(
        seed, specimen, path, what, forged,
        background=chance.random() < 0.3, accept_state=chance.random() < 0.5,
    )  # fmt: skip


def _damage_log(chance: random.Random, specimen: Specimen) -> str:
    assert specimen.log is not None
    data = bytearray(specimen.log)
    what = chance.choice(log_damage.ANY)(chance, data)
    specimen.log_path.write_bytes(data)
    return what


def _damage_bytes(chance: random.Random, specimen: Specimen, specimens: list[Specimen]) -> str:
    data = bytearray(specimen.file)
    other = chance.choice(specimens)
    damage = chance.choice((*bytes_damage.ANY, bytes_damage.mix_with_older(other.file)))
    what = damage(chance, data)
    if chance.random() < 0.5 and len(data) >= _RECORD.stop:
        data[_RECORD] = specimen.file[_RECORD]  # else little but the record is ever looked at
    specimen.path.write_bytes(data)
    return what


def _edit(chance: random.Random, specimen: Specimen, *, forge: bool) -> str:
    loose = not forge and chance.random() < 0.25
    done = []
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        try:
            with row_damage.editing(specimen.path, loose=loose) as connection:
                if forge:
                    done.append(chance.choice(forgery.ANY)(chance, connection, specimen))
                else:
                    kinds = row_damage.LOOSE if loose else row_damage.STRICT
                    done.append(chance.choice(kinds)(chance, connection))
        except (apsw.ConstraintError, apsw.SQLError, apsw.MismatchError, Corrupt):
            continue  # no sqlite would take it, or it was forged already
    return "; ".join(done)


def _copied(specimen: Specimen) -> Path:
    path = specimen.path.with_name("copy.sqlite")
    path.write_bytes(specimen.path.read_bytes())
    log = path.with_name("copy.sqlite-wal")
    log.unlink(missing_ok=True)
    if specimen.log_path.exists():
        log.write_bytes(specimen.log_path.read_bytes())
    return path
