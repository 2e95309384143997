"""A key slot opens for its passphrase in its place, and says which of the two is wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sqlfs.crypto import KdfParameters, KeySlot, derive_kek, make_slot, new_master, unwrap
from sqlfs.errors import Corrupt, Invalid, WrongPassphrase
from tests.crypto import reference

CHEAP = KdfParameters(memory_kib=8, passes=1, lanes=1)
MASTER = bytes(range(32))
UUID = bytes(range(16))
PASSPHRASE = b"correct horse"


def _slot() -> KeySlot:
    return make_slot(MASTER, PASSPHRASE, UUID, 2, 5, CHEAP)


def _open(slot: KeySlot, passphrase: bytes = PASSPHRASE) -> bytes:
    return unwrap(slot, derive_kek(passphrase, slot.salt, slot.kdf), UUID, 2, 5)


def test_round_trip() -> None:
    assert _open(_slot()) == MASTER


def test_agrees_with_the_reference() -> None:
    slot = _slot()
    kek = reference.kek(PASSPHRASE, slot.salt, 8, 1, 1)
    assert slot.wrapped == reference.wrap(kek, UUID, 2, 5, MASTER)
    assert slot.commitment == reference.commitment(kek, UUID, 2, 5, slot.salt, (8, 1, 1))


@pytest.mark.parametrize("passphrase", [b"", b"correct horsf", b"correct horse ", b"Correct horse"])
def test_a_wrong_passphrase(passphrase: bytes) -> None:
    with pytest.raises(WrongPassphrase, match="slot 2") as raised:
        _open(_slot(), passphrase)
    assert repr(passphrase) not in str(raised.value)


def test_a_slot_that_was_moved_does_not_open() -> None:
    slot = _slot()
    kek = derive_kek(PASSPHRASE, slot.salt, slot.kdf)
    for uuid, slot_id, generation in ((UUID[::-1], 2, 5), (UUID, 3, 5), (UUID, 2, 6)):
        with pytest.raises(WrongPassphrase):
            unwrap(slot, kek, uuid, slot_id, generation)


@pytest.mark.parametrize("commitment", [b"", bytes(32), bytes(33)])
def test_another_commitment(commitment: bytes) -> None:
    with pytest.raises(WrongPassphrase):
        _open(replace(_slot(), commitment=commitment))


def test_other_costs_or_salt_with_the_same_key_do_not_match() -> None:
    slot = _slot()
    kek = derive_kek(PASSPHRASE, slot.salt, slot.kdf)
    for other in (replace(slot, salt=bytes(32)), replace(slot, kdf=KdfParameters(9, 1, 1))):
        with pytest.raises(WrongPassphrase):
            unwrap(other, kek, UUID, 2, 5)


def test_every_flipped_bit_of_the_wrap_is_damage() -> None:
    slot = _slot()
    kek = derive_kek(PASSPHRASE, slot.salt, slot.kdf)
    for bit in range(8 * len(slot.wrapped)):
        flipped = bytearray(slot.wrapped)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Corrupt, match="key slot 2"):
            unwrap(replace(slot, wrapped=bytes(flipped)), kek, UUID, 2, 5)


def test_a_wrapped_key_of_another_length_is_damage() -> None:
    slot = _slot()
    kek = derive_kek(PASSPHRASE, slot.salt, slot.kdf)
    short = replace(slot, wrapped=reference.wrap(kek, UUID, 2, 5, MASTER[:31]))
    with pytest.raises(Corrupt, match="31 bytes"):
        unwrap(short, kek, UUID, 2, 5)


def test_the_same_passphrase_twice_shares_nothing() -> None:
    one, other = _slot(), _slot()
    assert one.salt != other.salt
    assert one.commitment != other.commitment
    assert one.wrapped[:24] != other.wrapped[:24]
    assert _open(one) == _open(other)


def test_master_keys_are_fresh() -> None:
    masters = [new_master() for _ in range(4)]
    assert {len(master) for master in masters} == {32}
    assert len(set(masters)) == 4


def test_keys_of_another_length_are_refused() -> None:
    with pytest.raises(Invalid, match="master key"):
        make_slot(MASTER[:31], PASSPHRASE, UUID, 2, 5, CHEAP)
    with pytest.raises(Invalid, match="key-encryption key"):
        unwrap(_slot(), bytes(63), UUID, 2, 5)


def test_nothing_of_a_key_is_in_repr() -> None:
    slot = _slot()
    for value in (MASTER, PASSPHRASE, slot.salt, slot.commitment, slot.wrapped):
        assert repr(value)[2:-1] not in repr(slot)
        assert value.hex() not in repr(slot)
