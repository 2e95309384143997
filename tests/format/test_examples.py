"""The worked examples: computed with the implementation, and once more without it."""

from __future__ import annotations

import struct

import pytest
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from sqlfs.chunks.reference import Reference, encode_manifest
from sqlfs.content.deltas import encode_delta
from sqlfs.content.patches import Patches
from sqlfs.crypto import KdfParameters, KeySlot, Purpose, Sealer, derive_kek, make_slot, unwrap
from sqlfs.namespace import NodeRecord, encode_node
from sqlfs.store.digest import row_number
from sqlfs.store.lineage import Identity, Lineage
from sqlfs.types import Quota
from sqlfs.volume.settings import VolumeRow
from tests.format import lineage, rows, unsealing
from tests.format.document import Example, examples, parse
from tests.format.unsealing import Keys, Slot, keyed

EXAMPLES = examples()


def aad_of_name(example: Example) -> tuple[bytes, int, int, int, int]:
    parent, edge, child, since = map(example.number, ("parent", "edge", "child", "since"))
    return example.raw("volume uuid"), parent, edge, child, since


def generation_of(example: Example) -> int:
    return example.number("key generation")


def generations_of(example: Example) -> tuple[int, int]:
    """Of sealing keys and of id keys; an example that has no use for one of them omits it."""
    given = example.given
    either = given.get("key generation") or given["id generation"]
    return int(either), int(given.get("id generation") or either)


# --- the document itself ---


def test_the_examples_that_were_promised_are_there() -> None:
    assert set(EXAMPLES) == {
        "lineage-record",
        "row-number",
        "plain-node",
        "encrypted-name",
        "encrypted-segments",
        "plain-segments",
        "chunk-id",
        "chunk-id-plain",
        "manifest",
        "reclaim-row",
        "delta",
        "volume-settings",
        "key-slot",
    }


@pytest.mark.parametrize("name", EXAMPLES)
def test_counts_of_bytes_are_true(name: str) -> None:
    example = EXAMPLES[name]
    pieces = example.steps + example.pieces
    assert [piece.length for piece in pieces] == [len(piece.value) for piece in pieces]
    assert example.total == len(example.result)


def test_a_line_that_is_no_examples_is_refused() -> None:
    with pytest.raises(ValueError, match="bytez"):
        parse("bytez 1  codec  00")


# --- with the implementation ---


def sealer_of(example: Example) -> Sealer:
    return Sealer.from_master(example.raw("master key"), *generations_of(example))


def test_lineage_record() -> None:
    example = EXAMPLES["lineage-record"]
    record = Lineage(
        generation=example.number("generation"),
        synced=example.number("synced"),
        id=example.raw("id"),
        base=example.raw("base"),
        marked=True,
        identity=Identity(example.number("inode"), example.number("birth time")),
        written_ns=example.number("written"),
        digest=example.raw("digest"),
    )
    assert record.encode() == example.result
    assert Lineage.decode(example.result) == record


def test_row_number() -> None:
    example = EXAMPLES["row-number"]
    number = row_number(example.raw("table").decode(), chunk_of(example))
    assert number.to_bytes(32, "little") == example.result


def test_plain_node() -> None:
    example = EXAMPLES["plain-node"]
    number = example.number
    record = NodeRecord(
        id=number("node"),
        since=number("since"),
        mode=number("mode"),
        uid=number("uid"),
        gid=number("gid"),
        nlink=number("nlink"),
        rdev=number("rdev"),
        size=number("size"),
        mtime_ns=number("mtime"),
        ctime_ns=number("ctime"),
        btime_ns=number("btime"),
        atime_ns=number("atime"),
        inline=example.raw("content"),
    )
    aad = (example.raw("volume uuid"), record.id, record.since)
    assert Sealer.plain().seal(Purpose.NODE, aad, encode_node(record)) == example.result


def test_encrypted_name() -> None:
    example = EXAMPLES["encrypted-name"]
    sealer, aad, name = sealer_of(example), aad_of_name(example), example.raw("name")
    assert sealer.seal(Purpose.NAME, aad, name) == example.result
    assert sealer.open(Purpose.NAME, aad, example.result, "the example") == name
    assert sealer.name_tag(example.number("parent"), name) == example.step("tag")


def test_segments() -> None:
    for example, sealer in (
        (EXAMPLES["encrypted-segments"], sealer_of(EXAMPLES["encrypted-segments"])),
        (EXAMPLES["plain-segments"], Sealer.plain()),
    ):
        aad = example.number("domain"), example.raw("digest")
        sealed = sealer.seal(Purpose.CHUNK, aad, example.raw("chunk"))
        second = sealed[29 + 16384 + 16 :]
        shown = second[-16:] if sealer.encrypted else second
        assert sealed[:24] + sealed[29 + 16384 :][:16] + shown == example.result


def test_chunk_ids() -> None:
    encrypted, plain = EXAMPLES["chunk-id"], EXAMPLES["chunk-id-plain"]
    assert sealer_of(encrypted).chunk_id(encrypted.raw("chunk")) == encrypted.result
    assert Sealer.plain().chunk_id(plain.raw("chunk")) == plain.result


def test_manifest() -> None:
    example = EXAMPLES["manifest"]
    sealer = sealer_of(example)
    chunks = example.raw("first chunk"), example.raw("second chunk")
    entries = [Reference(0, len(chunk), sealer.chunk_id(chunk)) for chunk in chunks]
    manifest = encode_manifest(example.number("level"), entries)
    assert manifest == example.result
    assert sealer.manifest_id(manifest) == example.step("manifest id")


def test_reclaim_row() -> None:
    example = EXAMPLES["reclaim-row"]
    aad = example.number("volume"), example.number("reclaim")
    body = bytes([example.number("level")]) + example.raw("digest")
    assert sealer_of(example).seal(Purpose.RECLAIM, aad, body) == example.result


def test_delta() -> None:
    example = EXAMPLES["delta"]
    patches = Patches()
    for which in ("second", "first"):
        patches.put(example.number(f"{which} start"), example.raw(f"{which} piece"))
    aad = example.raw("volume uuid"), example.number("node"), example.number("delta")
    body = encode_delta(example.number("slot"), patches)
    assert sealer_of(example).seal(Purpose.DELTA, aad, body) == example.result


def test_volume_settings() -> None:
    example = EXAMPLES["volume-settings"]
    number, sealer = example.number, sealer_of(example)
    row = VolumeRow.of(
        (
            number("volume"),
            example.raw("volume uuid"),
            example.raw("name").decode(),
            number("root"),
            number("domain"),
            number("encrypted"),
            *generations_of(example),
            number("chunk size"),
            number("dedupe"),
            number("compression"),
            number("epoch"),
            number("created"),
            example.result,
        )
    )
    quota = row.check(sealer)
    assert quota == Quota(number("quota bytes"), number("quota nodes"))
    aad = (row.info.uuid, row.info.id)
    assert sealer.seal(Purpose.VOLUME, aad, row.body(quota)) == example.result


def test_key_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    example = EXAMPLES["key-slot"]
    uuid, slot_id, salt = example.raw("volume uuid"), example.number("slot"), example.raw("salt")
    kdf = KdfParameters(*map(example.number, ("memory_kib", "passes", "lanes")))
    master, passphrase = example.raw("master key"), example.raw("passphrase")
    with monkeypatch.context() as patched:
        patched.setattr("os.urandom", lambda _: salt)
        made = make_slot(master, passphrase, uuid, slot_id, generation_of(example), kdf)
    assert made.commitment + made.wrapped == example.result

    stored = KeySlot(salt, kdf, example.result[:32], example.result[32:])
    kek = derive_kek(passphrase, salt, kdf)
    assert kek == example.step("wrapping key") + example.step("commitment key")
    assert unwrap(stored, kek, uuid, slot_id, generation_of(example)) == master


# --- without it ---


def keys_of(example: Example) -> Keys:
    return Keys.of(example.raw("master key"), *generations_of(example))


def test_lineage_record_read_independently() -> None:
    example = EXAMPLES["lineage-record"]
    names = ("inode", "birth time", "written")
    assert lineage.Record.parse(example.result) == lineage.Record(
        example.number("generation"),
        example.number("synced"),
        example.raw("id"),
        example.raw("base"),
        1,
        *map(example.number, names),
        example.raw("digest"),
    )


def chunk_of(example: Example) -> tuple[int | bytes, ...]:
    id_, domain, refs = map(example.number, ("id", "domain", "refs"))
    return id_, domain, example.raw("digest"), refs


def test_row_number_read_independently() -> None:
    example = EXAMPLES["row-number"]
    packed = rows.pack(("chunk", *chunk_of(example)))
    assert packed == example.step("packed")
    assert blake3(packed).digest() == example.result
    assert example.result == EXAMPLES["lineage-record"].raw("digest")


def test_plain_node_read_independently() -> None:
    example = EXAMPLES["plain-node"]
    keys, number = Keys.plain(), example.number
    aad = (example.raw("volume uuid"), number("node"), number("since"))
    assert keys.siv == example.step("siv key")
    assert keys.context(unsealing.NODE, aad) == example.step("context")
    body = keys.open(unsealing.NODE, aad, example.result)
    fields = ("mode", "uid", "gid", "nlink", "rdev", "size", "mtime", "ctime", "btime", "atime")
    assert body == (
        struct.pack("<IIIIQQqqqqBB", *map(number, fields), 0, 1) + example.raw("content")
    )


def test_encrypted_name_read_independently() -> None:
    example = EXAMPLES["encrypted-name"]
    keys, aad, name = keys_of(example), aad_of_name(example), example.raw("name")
    assert keys.siv == example.step("siv key")
    assert keys.enc == example.step("enc key")
    assert keys.name_tag == example.step("name tag key")
    tagged = struct.pack("<q", example.number("parent")) + name
    assert keyed(keys.name_tag, tagged, 16) == example.step("tag")
    context, frame = keys.context(unsealing.NAME, aad), example.step("frame")
    assert context == example.step("context")
    assert frame == struct.pack("<BI", 0, len(name)) + name + bytes(32 - 5 - len(name))
    assert keyed(keys.siv, context + frame, 24) == example.result[:24]
    assert keys.stream(example.result[:24]) == (example.step("cipher key"), example.step("nonce"))
    assert keys.open(unsealing.NAME, aad, example.result) == name


def test_encrypted_segments_sealed_independently() -> None:
    example = EXAMPLES["encrypted-segments"]
    keys, body = keys_of(example), example.raw("chunk")
    aad = example.number("domain"), example.raw("digest")
    context, places = example.step("context"), [example.step("place(0)"), example.step("place(1)")]
    assert keys.context(unsealing.CHUNK, aad) == context
    frame = struct.pack("<BI", 0, len(body)) + body
    frame = frame.ljust(unsealing.frame_length(unsealing.CHUNK, len(body)), b"\0")
    siv = keyed(keys.siv, context + frame, 24)
    assert keys.stream(siv) == (example.step("cipher key"), example.step("nonce(0)"))
    cipher = ChaCha20Poly1305(example.step("cipher key"))
    segments = frame[: 5 + 16384], frame[5 + 16384 :]
    first, second = (
        cipher.encrypt(example.step(f"nonce({i})"), segments[i], context + places[i])
        for i in (0, 1)
    )
    assert siv + first[-16:] + second[-16:] == example.result
    assert keys.open(unsealing.CHUNK, aad, siv + first + second) == body


def test_plain_segments_sealed_independently() -> None:
    example = EXAMPLES["plain-segments"]
    keys, body = Keys.plain(), example.raw("chunk")
    aad = example.number("domain"), example.raw("digest")
    context, sealed = example.step("context"), example.result[:24]
    assert keys.context(unsealing.CHUNK, aad) == context
    shown = sealed
    for number, segment in enumerate((struct.pack("<BI", 0, 16385) + body[:-1], body[-1:])):
        bound = sealed[:24] + context + example.step(f"place({number})")
        digest = keyed(keys.siv, bound + segment, 16)
        sealed += segment + digest
        shown += (segment if number else b"") + digest
    assert shown == example.result
    assert keys.open(unsealing.CHUNK, aad, sealed) == body


def test_chunk_ids_computed_independently() -> None:
    for example, keys in (
        (EXAMPLES["chunk-id"], keys_of(EXAMPLES["chunk-id"])),
        (EXAMPLES["chunk-id-plain"], Keys.plain()),
    ):
        assert keys.chunk_id == example.step("chunk id key")
        assert keyed(keys.chunk_id, example.raw("chunk"), 32) == example.result


def test_manifest_computed_independently() -> None:
    example = EXAMPLES["manifest"]
    keys = keys_of(example)
    expected = struct.pack("<BBH", 1, example.number("level"), 2)
    for chunk in (example.raw("first chunk"), example.raw("second chunk")):
        expected += struct.pack("<BQ", 1, len(chunk)) + keyed(keys.chunk_id, chunk, 32)
    assert expected == example.result
    assert keyed(keys.manifest_id, expected, 32) == example.step("manifest id")


def test_reclaim_row_read_independently() -> None:
    example = EXAMPLES["reclaim-row"]
    aad = example.number("volume"), example.number("reclaim")
    body = bytes([example.number("level")]) + example.raw("digest")
    assert_sealed(example, unsealing.RECLAIM, aad, body)


def test_delta_read_independently() -> None:
    example = EXAMPLES["delta"]
    body = struct.pack("<Q", example.number("slot"))
    for which in ("first", "second"):
        piece = example.raw(f"{which} piece")
        body += struct.pack("<II", example.number(f"{which} start"), len(piece)) + piece
    aad = example.raw("volume uuid"), example.number("node"), example.number("delta")
    assert_sealed(example, unsealing.DELTA, aad, body)


def test_volume_settings_read_independently() -> None:
    example = EXAMPLES["volume-settings"]
    names = ("root", "domain", "id generation", "chunk size", "encrypted", "dedupe")
    others = ("compression", "epoch", "created", "quota bytes", "quota nodes")
    settings = struct.pack("<QQQQBBBQQQQ", *map(example.number, (*names, *others)))
    aad = example.raw("volume uuid"), example.number("volume")
    assert_sealed(example, unsealing.VOLUME, aad, settings + example.raw("name"))


def assert_sealed(example: Example, purpose: int, aad: unsealing.Aad, body: bytes) -> None:
    """The example's result, and its steps, are those of sealing `body`."""
    keys = keys_of(example)
    frame = struct.pack("<BI", 0, len(body)) + body
    frame = frame.ljust(unsealing.frame_length(purpose, len(body)), b"\0")
    assert keys.context(purpose, aad) == example.step("context")
    assert frame == example.step("frame")
    assert keyed(keys.siv, example.step("context") + frame, 24) == example.result[:24]
    assert keys.open(purpose, aad, example.result) == body


def test_ids_outlive_a_change_of_the_key_generation() -> None:
    master, chunk = bytes(range(32)), b"a chunk"
    first, later = Keys.of(master, 1, 1), Keys.of(master, 2, 1)
    assert (later.chunk_id, later.name_tag) == (first.chunk_id, first.name_tag)
    assert later.siv != first.siv
    sealer = Sealer.from_master(master, 2, 1)
    assert sealer.chunk_id(chunk) == keyed(first.chunk_id, chunk, 32)
    sealed = sealer.seal(Purpose.RECLAIM, (1, 2), b"a body")
    assert later.open_row(unsealing.RECLAIM, (1, 2), 2, sealed) == b"a body"


def test_key_slot_read_independently() -> None:
    example = EXAMPLES["key-slot"]
    slot = Slot(
        slot=example.number("slot"),
        generation=generation_of(example),
        memory_kib=example.number("memory_kib"),
        passes=example.number("passes"),
        lanes=example.number("lanes"),
        salt=example.raw("salt"),
        commitment=example.result[:32],
        wrapped=example.result[32:],
    )
    passphrase, uuid = example.raw("passphrase"), example.raw("volume uuid")
    keys = (example.step("wrapping key"), example.step("commitment key"))
    assert slot.derived(passphrase) == keys
    assert slot.commitment_message(uuid) == example.step("commitment message")
    assert slot.master(passphrase, uuid) == example.raw("master key")
    with pytest.raises(unsealing.Damaged, match="wrong passphrase"):
        slot.master(b"incorrect", uuid)
