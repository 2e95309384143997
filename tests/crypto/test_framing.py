"""The encodings inside a sealed thing have one meaning each."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlfs.crypto.framing import encode_aad
from sqlfs.errors import Invalid

elements = st.binary(max_size=40) | st.integers(-(2**63), 2**63 - 1)


def _decode(encoded: bytes) -> tuple[list[bytes | int], bytes]:
    """The elements, and whatever follows their encoding."""
    decoded: list[bytes | int] = []
    at = 1
    for _ in range(encoded[0]):
        kind, length = encoded[at], int.from_bytes(encoded[at + 1 : at + 5], "little")
        value = encoded[at + 5 : at + 5 + length]
        at += 5 + length
        assert kind in (0, 1)
        decoded.append(int.from_bytes(value, "little", signed=True) if kind else value)
    return decoded, encoded[at:]


@given(st.lists(elements, max_size=6), st.binary(max_size=20))
@settings(deadline=None)
def test_can_be_taken_apart_again(aad: list[bytes | int], frame: bytes) -> None:
    """So it is injective, also with a frame behind it."""
    assert _decode(encode_aad(aad) + frame) == (aad, frame)


def test_an_integer_is_not_its_bytes() -> None:
    assert encode_aad((5,)) != encode_aad(((5).to_bytes(8, "little"),))


def test_holds_255_elements() -> None:
    assert _decode(encode_aad([7] * 255)) == ([7] * 255, b"")


@pytest.mark.parametrize("aad", [[0] * 256, [2**63], [-(2**63) - 1]])
def test_what_has_no_encoding_is_refused(aad: list[bytes | int]) -> None:
    with pytest.raises(Invalid, match="associated data"):
        encode_aad(aad)
