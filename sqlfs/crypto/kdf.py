"""From a passphrase to a key-encryption key: slow on purpose, bounded before it starts."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import ClassVar, Final

from argon2.exceptions import HashingError
from argon2.low_level import Type, hash_secret_raw

from sqlfs.errors import Corrupt, InputOutput, UnsupportedFormat

SALT_BYTES: Final = 32
KEK_BYTES: Final = 64  # 32 to wrap with, 32 to commit with

MEMORY_KIB_PER_LANE_MIN: Final = 8
MEMORY_KIB_MAX: Final = 1024 * 1024
PASSES_MAX: Final = 64
LANES_MAX: Final = 16
_ARGON2_VERSION: Final = 0x13


@dataclass(frozen=True, slots=True)
class KdfParameters:
    """What Argon2id costs: memory in KiB, passes over it, lanes that may run in parallel."""

    DEFAULT: ClassVar[KdfParameters]

    memory_kib: int
    passes: int
    lanes: int

    def check(self) -> None:
        """Refuse costs that no slot can have (Corrupt) or that this version won't pay
        (UnsupportedFormat), before anything is allocated.

        Allowed are 1 .. 16 lanes, 1 .. 64 passes, 8 KiB per lane .. 1 GiB.
        """
        if not all(type(cost) is int for cost in (self.memory_kib, self.passes, self.lanes)):
            raise Corrupt(f"key slot: its costs are not numbers ({self}); restore it from a copy")
        if self.lanes < 1 or self.passes < 1:
            raise Corrupt(f"key slot: no lanes or no passes ({self}); restore it from a copy")
        if self.memory_kib < MEMORY_KIB_PER_LANE_MIN * self.lanes:
            raise Corrupt(f"key slot: too little memory for its lanes ({self}); restore it")
        if self.memory_kib > MEMORY_KIB_MAX or self.passes > PASSES_MAX or self.lanes > LANES_MAX:
            raise UnsupportedFormat(
                f"key slot: costs more than {MEMORY_KIB_MAX} KiB, {PASSES_MAX} passes or"
                f" {LANES_MAX} lanes ({self}); this version does not open it"
            )

    def __str__(self) -> str:
        return f"{self.memory_kib} KiB, {self.passes} passes, {self.lanes} lanes"


KdfParameters.DEFAULT = KdfParameters(memory_kib=128 * 1024, passes=3, lanes=4)
KdfParameters.DEFAULT.check()


def derive_kek(passphrase: bytes, salt: bytes, kdf: KdfParameters) -> bytes:
    """Argon2id 1.3 of `passphrase` and a 32-byte `salt`: 64 bytes, 32 to wrap and 32 to commit.

    Takes a good part of a second and `kdf.memory_kib` of memory, without the GIL.  Raises
    what :meth:`KdfParameters.check` does, Corrupt for a salt of another length, InputOutput
    when the memory is not to be had.
    """
    kdf.check()
    if len(salt) != SALT_BYTES:
        raise Corrupt(f"key slot: a salt of {len(salt)} bytes, not {SALT_BYTES}; restore it")
    try:
        return hash_secret_raw(
            secret=passphrase,
            salt=salt,
            time_cost=kdf.passes,
            memory_cost=kdf.memory_kib,
            parallelism=kdf.lanes,
            hash_len=KEK_BYTES,
            type=Type.ID,
            version=_ARGON2_VERSION,
        )
    except HashingError as error:
        raise InputOutput(
            f"the passphrase needs {kdf.memory_kib} KiB of memory to check: {error}",
            errno_=errno.ENOMEM,
        ) from None
