"""A key slot's costs are judged before they are paid."""

from __future__ import annotations

import errno

import pytest
from argon2.exceptions import HashingError

from sqlfs.crypto import KdfParameters, derive_kek, kdf
from sqlfs.errors import Corrupt, InputOutput, UnsupportedFormat

SALT = bytes(range(32))
CHEAP = KdfParameters(memory_kib=8, passes=1, lanes=1)
MIB_KIB = 1024


@pytest.fixture
def no_argon2(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> bytes:
        pytest.fail("Argon2id was started")

    monkeypatch.setattr(kdf, "hash_secret_raw", refuse)


@pytest.mark.usefixtures("no_argon2")
@pytest.mark.parametrize(
    ("costs", "error"),
    [
        ((1024 * MIB_KIB + 1, 1, 1), UnsupportedFormat),
        ((2**62, 1, 1), UnsupportedFormat),
        ((8, 65, 1), UnsupportedFormat),
        ((8 * 17, 1, 17), UnsupportedFormat),
        ((7, 1, 1), Corrupt),
        ((8 * 4 - 1, 1, 4), Corrupt),
        ((0, 1, 1), Corrupt),
        ((-1, 1, 1), Corrupt),
        ((8, 0, 1), Corrupt),
        ((8, -1, 1), Corrupt),
        ((8, 1, 0), Corrupt),
        ((8, 1, -1), Corrupt),
        (("8", 1, 1), Corrupt),
        ((8, None, 1), Corrupt),
        ((8, 1, 1.0), Corrupt),
    ],
)
def test_costs_out_of_bounds_are_refused(
    costs: tuple[int, int, int], error: type[Exception]
) -> None:
    parameters = KdfParameters(*costs)
    with pytest.raises(error, match="key slot"):
        parameters.check()
    with pytest.raises(error, match="key slot"):
        derive_kek(b"passphrase", SALT, parameters)


@pytest.mark.parametrize(
    "costs", [(8, 1, 1), (128, 64, 16), (1024 * MIB_KIB, 1, 1), (1024 * MIB_KIB, 64, 16)]
)
def test_costs_at_their_bounds_are_accepted(costs: tuple[int, int, int]) -> None:
    KdfParameters(*costs).check()


def test_the_default() -> None:
    assert KdfParameters(128 * MIB_KIB, 3, 4) == KdfParameters.DEFAULT


@pytest.mark.usefixtures("no_argon2")
@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_salt_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(Corrupt, match="salt"):
        derive_kek(b"passphrase", bytes(length), CHEAP)


def test_everything_counts() -> None:
    made = [
        derive_kek(b"passphrase", SALT, CHEAP),
        derive_kek(b"passphrasf", SALT, CHEAP),
        derive_kek(b"passphrase", SALT[::-1], CHEAP),
        derive_kek(b"passphrase", SALT, KdfParameters(9, 1, 1)),
        derive_kek(b"passphrase", SALT, KdfParameters(8, 2, 1)),
        derive_kek(b"passphrase", SALT, KdfParameters(16, 1, 2)),
    ]
    assert [len(kek) for kek in made] == [64] * 6
    assert len(set(made)) == 6
    assert derive_kek(b"passphrase", SALT, CHEAP) == made[0]


def test_memory_that_is_not_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> bytes:
        raise HashingError("Memory allocation error")

    monkeypatch.setattr(kdf, "hash_secret_raw", fail)
    with pytest.raises(InputOutput, match="8 KiB") as raised:
        derive_kek(b"secret passphrase", SALT, CHEAP)
    assert raised.value.errno == errno.ENOMEM
    assert "secret" not in str(raised.value)
