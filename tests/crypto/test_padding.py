"""Padding hides lengths within its bounds, and costs a full chunk nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlfs.crypto import Purpose, padme
from sqlfs.crypto.padding import padding
from tests.crypto import reference

lengths = st.integers(0, 2**32 - 1) | st.integers(0, 2000)


@given(lengths)
@settings(deadline=None)
def test_padme_stays_within_its_bounds(length: int) -> None:
    padded = padme(length)
    assert length <= padded <= length * 1.12
    assert padme(padded) == padded
    assert padme(length + 1) >= padded
    if length > 1:
        exponent = length.bit_length() - 1
        zeros = exponent - exponent.bit_length()
        assert padded % (1 << max(zeros, 0)) == 0


def test_padme_leaves_few_lengths() -> None:
    """Of 17 bits five vary, and the longest become the next power of two."""
    assert len({padme(length) for length in range(2**16, 2**17)}) == 2**5 + 1


@given(st.sampled_from(Purpose), lengths)
@settings(deadline=None)
def test_agrees_with_the_reference(purpose: Purpose, length: int) -> None:
    framed = 5 + length + padding(purpose, length)
    assert framed == reference.framed_length(purpose, length)
    assert framed >= 32


@pytest.mark.parametrize(("length", "framed"), [(1, 32), (27, 32), (28, 64), (59, 64), (255, 288)])
def test_names_take_steps_of_32(length: int, framed: int) -> None:
    assert 5 + length + padding(Purpose.NAME, length) == framed


@pytest.mark.parametrize("purpose", [Purpose.CHUNK, Purpose.MANIFEST])
def test_a_full_chunk_gets_none(purpose: Purpose) -> None:
    assert [padding(purpose, 1 << power) for power in range(5, 32)] == [0] * 27
    assert padding(purpose, 4097) == 255
