"""Key slots: the master key of a volume, wrapped under a passphrase.

A slot commits to its key: the passphrase is judged by the commitment alone, so one ciphertext
can't be made to open under two of them, and a damaged wrap is not taken for a wrong passphrase.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Final

from blake3 import blake3

from sqlfs.crypto.framing import encode_aad
from sqlfs.crypto.kdf import KEK_BYTES, SALT_BYTES, KdfParameters, derive_kek
from sqlfs.crypto.purpose import Purpose
from sqlfs.crypto.seal import MASTER_BYTES, Sealer
from sqlfs.errors import Corrupt, Invalid, WrongPassphrase

COMMITMENT_BYTES: Final = 32
_COMMITMENT_LABEL: Final = b"sqlfs v1 commitment"


@dataclass(frozen=True, slots=True)
class KeySlot:
    """One wrapping of a master key, as it is stored; nothing in it is secret.

    ``salt`` and ``commitment`` have 32 bytes, ``wrapped`` is a sealed KEY_SLOT.
    """

    salt: bytes = field(repr=False)
    kdf: KdfParameters
    commitment: bytes = field(repr=False)
    wrapped: bytes = field(repr=False)


def new_master() -> bytes:
    """A fresh 32-byte master key."""
    return os.urandom(MASTER_BYTES)


def make_slot(
    master: bytes,
    passphrase: bytes,
    volume_uuid: bytes,
    slot_id: int,
    generation: int,
    kdf: KdfParameters = KdfParameters.DEFAULT,
) -> KeySlot:
    """Wrap the 32-byte `master` of `generation` under a fresh salt.

    As costly as :func:`derive_kek`, whose errors it raises; Invalid for a master key of
    another length.
    """
    if len(master) != MASTER_BYTES:
        raise Invalid(f"a master key has {MASTER_BYTES} bytes, not {len(master)}")
    salt = os.urandom(SALT_BYTES)
    kek = derive_kek(passphrase, salt, kdf)
    wrapper, commitment_key = _split(kek, generation)
    return KeySlot(
        salt=salt,
        kdf=kdf,
        commitment=_commitment(commitment_key, volume_uuid, slot_id, generation, salt, kdf),
        wrapped=wrapper.seal(Purpose.KEY_SLOT, (volume_uuid, slot_id), master),
    )


def unwrap(slot: KeySlot, kek: bytes, volume_uuid: bytes, slot_id: int, generation: int) -> bytes:
    """Return the 32-byte master key that `slot` holds, given what :func:`derive_kek` made of
    the passphrase and the slot's salt and costs.

    Raises WrongPassphrase when the commitment is another (also when the slot was moved, or its
    salt, costs or commitment damaged), Corrupt when only the wrap does not open.
    """
    wrapper, commitment_key = _split(kek, generation)
    expected = _commitment(commitment_key, volume_uuid, slot_id, generation, slot.salt, slot.kdf)
    if not compare_digest(expected, slot.commitment):
        raise WrongPassphrase(f"wrong passphrase: it does not open key slot {slot_id}")
    what = f"key slot {slot_id}"
    master = wrapper.open(Purpose.KEY_SLOT, (volume_uuid, slot_id), slot.wrapped, what)
    if len(master) != MASTER_BYTES:
        raise Corrupt(f"{what}: a key of {len(master)} bytes, not {MASTER_BYTES}; restore it")
    return master


def _split(kek: bytes, generation: int) -> tuple[Sealer, bytes]:
    if len(kek) != KEK_BYTES:
        raise Invalid(f"a key-encryption key has {KEK_BYTES} bytes, not {len(kek)}")
    half = KEK_BYTES // 2
    return Sealer.from_master(kek[:half], generation), kek[half:]


def _commitment(
    key: bytes,
    volume_uuid: bytes,
    slot_id: int,
    generation: int,
    salt: bytes,
    kdf: KdfParameters,
) -> bytes:
    bound = (
        _COMMITMENT_LABEL,
        volume_uuid,
        slot_id,
        generation,
        salt,
        kdf.memory_kib,
        kdf.passes,
        kdf.lanes,
    )
    return blake3(encode_aad(bound), key=key).digest(COMMITMENT_BYTES)
