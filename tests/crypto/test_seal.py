"""What a sealer promises: only what was sealed comes back, and only where it was put."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from itertools import combinations, pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlfs.crypto import Purpose, Sealer
from sqlfs.crypto.segments import BadTag, body_length, open_body
from sqlfs.errors import Corrupt, Invalid, TooBig
from tests.crypto import reference

MASTER = bytes(range(32))
ENCRYPTED = Sealer.from_master(MASTER, 1)
PLAIN = Sealer.plain()
AAD = (3, b"key")
BODY = b"attributes of a node"
LARGE = 32 * 1024
SEGMENT = 16 * 1024

both = pytest.mark.parametrize(
    "sealer", [pytest.param(ENCRYPTED, id="encrypted"), pytest.param(PLAIN, id="plain")]
)
aads = st.lists(st.binary(max_size=20) | st.integers(-(2**63), 2**63 - 1), max_size=4)


@given(st.sampled_from([None, MASTER]), st.sampled_from(Purpose), aads, st.binary(max_size=300))
@settings(deadline=None)
def test_agrees_with_the_reference_and_comes_back(
    master: bytes | None, purpose: Purpose, aad: list[bytes | int], body: bytes
) -> None:
    sealer = ENCRYPTED if master else PLAIN
    sealed = sealer.seal(purpose, aad, body)
    assert sealed == reference.seal(master, sealer.generation, purpose, aad, body)
    assert sealer.open(purpose, aad, sealed, "thing") == body


@both
@pytest.mark.parametrize("purpose", [Purpose.CHUNK, Purpose.XATTR])
@pytest.mark.parametrize("size", [LARGE - 6, LARGE - 5, LARGE, LARGE + 1, 300_001])
def test_long_bodies_agree_with_the_reference(sealer: Sealer, purpose: Purpose, size: int) -> None:
    body = bytes(range(251)) * (size // 251 + 1)
    body = body[:size]
    sealed = sealer.seal(purpose, AAD, body)
    master = MASTER if sealer.encrypted else None
    assert sealed == reference.seal(master, sealer.generation, purpose, AAD, body)
    assert type(sealed) is bytes
    assert sealer.open(purpose, AAD, sealed, "thing") == body


@both
@pytest.mark.parametrize("make", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("size", [100, 100_000])
def test_takes_any_bytes(
    sealer: Sealer, make: Callable[[bytes], bytes | bytearray | memoryview], size: int
) -> None:
    body = b"b" * size
    assert sealer.seal(Purpose.CHUNK, AAD, make(body)) == sealer.seal(Purpose.CHUNK, AAD, body)
    assert sealer.chunk_id(make(body)) == sealer.chunk_id(body)
    assert sealer.manifest_id(make(body)) == sealer.manifest_id(body)


@both
def test_every_flipped_bit_is_found(sealer: Sealer) -> None:
    sealed = sealer.seal(Purpose.NODE, AAD, BODY)
    for bit in range(8 * len(sealed)):
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Corrupt, match=r"^node 7: "):
            sealer.open(Purpose.NODE, AAD, bytes(flipped), "node 7")


@both
def test_a_flipped_bit_in_a_long_body_is_found(sealer: Sealer) -> None:
    sealed = sealer.seal(Purpose.CHUNK, AAD, b"c" * 100_000)
    for position in (0, 23, 24, 28, 29, 50_000, len(sealed) - 1):
        flipped = bytearray(sealed)
        flipped[position] ^= 0x80
        with pytest.raises(Corrupt):
            sealer.open(Purpose.CHUNK, AAD, bytes(flipped), "chunk")


def _segments(sealed: bytes) -> list[bytes]:
    """The siv, and each segment."""
    starts = [0, 24, *range(29 + SEGMENT + 16, len(sealed), SEGMENT + 16), len(sealed)]
    return [sealed[start:end] for start, end in pairwise(starts)]


@both
def test_segments_belong_to_their_piece_and_place(sealer: Sealer) -> None:
    body = random.Random(1).randbytes(4 * SEGMENT)
    siv, *segments = _segments(sealer.seal(Purpose.CHUNK, AAD, body))
    other = body[:SEGMENT] + bytes(SEGMENT) + body[2 * SEGMENT :]
    other_siv, *others = _segments(sealer.seal(Purpose.CHUNK, AAD, other))
    longer = _segments(sealer.seal(Purpose.CHUNK, AAD, body + body))[1:]
    elsewhere = _segments(sealer.seal(Purpose.CHUNK, (4,), body))[1:]
    first, second, third, fourth = segments
    for what, pieces in {
        "swapped": [first, third, second, fourth],
        "doubled": [first, second, second, fourth],
        "left out": [first, second, fourth],
        "cut off": [first, second, third],
        "cut off to one": [first],
        "one more": [*segments, fourth],
        "of other content": [first, second, others[2], fourth],
        "of a longer one": [first, second, longer[2], fourth],
        "of elsewhere": [first, second, elsewhere[2], fourth],
        "nothing but a tag": [*segments, bytes(16)],
        "less than a tag": [*segments, b"x"],
    }.items():
        with pytest.raises(Corrupt):
            print(what, sealer.open(Purpose.CHUNK, AAD, siv + b"".join(pieces), "chunk")[:9])
    with pytest.raises(Corrupt):
        sealer.open(Purpose.CHUNK, AAD, other_siv + b"".join(segments), "chunk")


@both
def test_a_segment_is_opened_without_the_others(sealer: Sealer) -> None:
    body = random.Random(2).randbytes(3 * SEGMENT + 100)
    sealed = sealer.seal(Purpose.CHUNK, AAD, body)
    siv, *pieces = _segments(sealed)
    segments = sealer.segments(Purpose.CHUNK, AAD, siv, len(sealed))
    for number, piece in enumerate(pieces):
        expected = body[number * SEGMENT : (number + 1) * SEGMENT]
        assert open_body(segments, number, piece).startswith(expected)
        assert body_length(number, piece) >= len(expected)
        for position in (0, len(piece) - 1):
            flipped = bytearray(piece)
            flipped[position] ^= 1
            with pytest.raises(BadTag):
                open_body(segments, number, flipped)


def test_no_keystream_serves_two_segments() -> None:
    """Segments of zeros are keystream; one that came twice would show."""
    sealed = ENCRYPTED.seal(Purpose.CHUNK, AAD, bytes(8 * SEGMENT))
    _, first, *others = _segments(sealed)
    streams = [first[5:], *others]
    assert len({stream[at : at + 32] for stream in streams for at in range(0, 4096, 32)}) == 1024


@both
def test_every_other_length_is_found(sealer: Sealer) -> None:
    sealed = sealer.seal(Purpose.NODE, AAD, BODY)
    for other in (*(sealed[:length] for length in range(len(sealed))), sealed + b"\0"):
        with pytest.raises(Corrupt):
            sealer.open(Purpose.NODE, AAD, other, "thing")


@both
@pytest.mark.parametrize("stored", [None, "text" * 20, 42, 1.5])
def test_a_value_that_is_no_blob_is_corrupt(sealer: Sealer, stored: object) -> None:
    with pytest.raises(Corrupt, match=r"^thing: "):
        sealer.open(Purpose.NODE, AAD, stored, "thing")  # type: ignore[arg-type]


@both
def test_opens_only_in_its_place(sealer: Sealer) -> None:
    sealed = sealer.seal(Purpose.NODE, AAD, BODY)
    elsewhere: list[tuple[bytes | int, ...]] = [
        (),
        (3,),
        (4, b"key"),
        (b"key", 3),
        (3, b"kez"),
        (3, b"ke"),
        (3, b"key", b""),
        (3, b"key", 0),
        (b"\3" + bytes(7), b"key"),
    ]
    for aad in elsewhere:
        with pytest.raises(Corrupt):
            sealer.open(Purpose.NODE, aad, sealed, "thing")
    for purpose in set(Purpose) - {Purpose.NODE}:
        with pytest.raises(Corrupt):
            sealer.open(purpose, AAD, sealed, "thing")


def test_opens_only_under_its_keys() -> None:
    sealers = [
        ENCRYPTED,
        PLAIN,
        Sealer.from_master(MASTER, 2),
        Sealer.from_master(MASTER[::-1], 1),
        Sealer.from_master(MASTER, 0),
    ]
    for sealer in sealers:
        sealed = sealer.seal(Purpose.NODE, AAD, BODY)
        for other in sealers:
            if other is not sealer:
                with pytest.raises(Corrupt):
                    other.open(Purpose.NODE, AAD, sealed, "thing")


@both
def test_is_deterministic(sealer: Sealer) -> None:
    again = Sealer.from_master(MASTER, 1) if sealer.encrypted else Sealer.plain()
    assert sealer.seal(Purpose.NODE, AAD, BODY) == again.seal(Purpose.NODE, AAD, BODY)
    assert sealer.chunk_id(BODY) == again.chunk_id(BODY)


def test_another_place_or_body_is_another_siv_and_keystream() -> None:
    """Two outputs that shared an siv would share a keystream."""
    sealed = [
        sealer.seal(purpose, aad, body)
        for sealer in (ENCRYPTED, Sealer.from_master(MASTER, 2))
        for purpose in Purpose
        for aad in ((), (1,), (2,), (b"",), (1, 1))
        for body in (b"", b"\0", b"x")
    ]
    assert len({s[:24] for s in sealed}) == len(sealed)
    assert len({s[24:56] for s in sealed}) == len(sealed)


def test_two_masters_share_nothing() -> None:
    body = b"the same content" * 300
    made = []
    for master in (MASTER, MASTER[::-1]):
        sealer = Sealer.from_master(master, 1)
        sealed = sealer.seal(Purpose.CHUNK, AAD, body)
        made.append(
            {sealed[i : i + 8] for i in range(len(sealed) - 7)}
            | {sealer.chunk_id(body), sealer.manifest_id(body)}
            | {sealer.name_tag(1, b"name"), sealer.xattr_tag(1, b"name")}
        )
    assert not made[0] & made[1]


@both
def test_ids_and_tags_have_a_key_for_each_kind(sealer: Sealer) -> None:
    prefix = (1).to_bytes(8, "little") + b"name"
    digests = [
        sealer.chunk_id(prefix),
        sealer.manifest_id(prefix),
        sealer.name_tag(1, b"name"),
        sealer.name_tag(2, b"name"),
        sealer.name_tag(1, b"namf"),
        sealer.xattr_tag(1, b"name"),
    ]
    assert [len(digest) for digest in digests] == [32, 32, 16, 16, 16, 16]
    for one, other in combinations(digests, 2):
        assert one[:16] != other[:16]


def test_ids_and_tags_outlive_a_change_of_key() -> None:
    rekeyed = Sealer.from_master(MASTER, 2, id_generation=1)
    assert rekeyed.generation == 2
    assert rekeyed.chunk_id(BODY) == ENCRYPTED.chunk_id(BODY)
    assert rekeyed.manifest_id(BODY) == ENCRYPTED.manifest_id(BODY)
    assert rekeyed.name_tag(1, BODY) == ENCRYPTED.name_tag(1, BODY)
    assert rekeyed.xattr_tag(1, BODY) == ENCRYPTED.xattr_tag(1, BODY)
    assert rekeyed.seal(Purpose.NODE, AAD, BODY) != ENCRYPTED.seal(Purpose.NODE, AAD, BODY)
    assert Sealer.from_master(MASTER, 2).chunk_id(BODY) != ENCRYPTED.chunk_id(BODY)


def test_overhead_is_what_a_full_chunk_costs() -> None:
    for sealer, power in product((ENCRYPTED, PLAIN), range(12, 23)):
        sealed = sealer.seal(Purpose.CHUNK, AAD, bytes(1 << power))
        segments = max(1, (1 << power) // SEGMENT)
        if segments > 1 or sealer.encrypted:
            assert len(sealed) == (1 << power) + Sealer.OVERHEAD + (segments - 1) * 16
        assert sealer.long_bytes(Purpose.CHUNK, 1 << power) == (len(sealed) if segments > 1 else 0)
    assert len(PLAIN.seal(Purpose.CHUNK, AAD, BODY)) == len(BODY) + Sealer.OVERHEAD - 16


def test_a_thing_is_named_only_when_something_is_wrong_with_it() -> None:
    named = []

    def what() -> str:
        named.append(1)
        return "node 7"

    sealed = ENCRYPTED.seal(Purpose.NODE, AAD, BODY)
    assert ENCRYPTED.open(Purpose.NODE, AAD, sealed, what) == BODY
    assert not named
    with pytest.raises(Corrupt, match=r"^node 7: "):
        ENCRYPTED.open(Purpose.NODE, AAD, sealed[:-1], what)
    assert named


def test_the_plaintext_is_not_in_the_output_nor_in_an_error() -> None:
    sealed = ENCRYPTED.seal(Purpose.NODE, AAD, BODY)
    assert all(BODY[i : i + 4] not in sealed for i in range(len(BODY) - 3))
    with pytest.raises(Corrupt) as raised:
        ENCRYPTED.open(Purpose.NODE, (3, b"secret name"), sealed, "thing")
    assert "secret" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_keys_are_not_in_repr() -> None:
    fields = [field.name for field in dataclasses.fields(ENCRYPTED)]
    keys = [getattr(ENCRYPTED, name) for name in fields if name.endswith("_key")]
    assert len(keys) == 6
    for secret in (MASTER, *keys):
        for text in (repr(ENCRYPTED), str(ENCRYPTED), f"{ENCRYPTED}"):
            assert repr(secret)[2:-1] not in text
            assert secret.hex() not in text


def test_cannot_be_changed() -> None:
    for name in ("generation", "encrypted", "_siv_key", "other"):
        with pytest.raises((AttributeError, TypeError)):
            setattr(ENCRYPTED, name, 5)


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_master_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(Invalid, match="master key") as raised:
        Sealer.from_master(b"\xab" * length, 1)
    assert "abab" not in str(raised.value)


@pytest.mark.parametrize(("generation", "ids"), [(-1, None), (2**63, None), (1, -1), (1, 2**63)])
def test_a_generation_out_of_bounds_is_refused(generation: int, ids: int | None) -> None:
    with pytest.raises(Invalid, match="generation"):
        Sealer.from_master(MASTER, generation, ids)


@both
def test_a_body_of_4_gib_is_refused(sealer: Sealer) -> None:
    class Enormous(bytes):
        def __len__(self) -> int:
            return 2**32

    with pytest.raises(TooBig, match="4 GiB"):
        sealer.seal(Purpose.CHUNK, AAD, Enormous())


@pytest.mark.parametrize("sealer", [Sealer.plain(), Sealer.from_master(bytes(32), 1)])
@pytest.mark.parametrize("length", [0, 1, 100, 5000, SEGMENT, SEGMENT + 1, 100_000])
def test_a_body_may_be_seen_before_it_is_verified(sealer: Sealer, length: int) -> None:
    body = bytes(range(256)) * 400
    sealed = sealer.seal(Purpose.CHUNK, (1, b"digest"), body[:length])
    assert sealer.body_unverified(sealed) == body[:length]
    assert sealer.body_unverified(sealed[:-1] if not sealer.encrypted else b"short") is None
