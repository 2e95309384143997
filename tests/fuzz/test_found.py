"""What mutants found, in its smallest form."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqlfs.chunks import Reference
from sqlfs.chunks.reference import encode_manifest
from sqlfs.content.tree import find
from sqlfs.crypto import Purpose
from sqlfs.errors import Corrupt
from sqlfs.store.lineage import Lineage
from sqlfs.types import VolumeUsage
from tests.format.volumes import CHUNK, VOLUME, Kind, create, noise, put


def test_a_manifest_that_is_its_own_entry_is_no_endless_way(tmp_path: Path) -> None:
    digest = b"d" * 32
    body = encode_manifest(2, [Reference(1, CHUNK, digest)])
    with create(tmp_path / "volume.sqlite", Kind()) as file:
        volume = file.session(VOLUME).opened_volume
        sealed = volume.sealer.seal(Purpose.MANIFEST, (volume.domain, digest, 2), body)
        with file.db.writing():
            file.db.write("chunk_insert", volume.domain, digest)
            file.db.write_blob("chunk_data_insert", file.db.last_id(), 0, sealed)
        with pytest.raises(Corrupt, match="manifest 64646464"):
            find(volume.pool, Reference(2, CHUNK, digest), 0)


def test_a_chunk_that_was_read_is_not_of_another_length(tmp_path: Path) -> None:
    with create(tmp_path / "volume.sqlite", Kind()) as file:
        session = file.session(VOLUME)
        put(session, b"file", (0, noise(CHUNK)))
        session.sync()
        volume = session.opened_volume
        digest = volume.sealer.chunk_id(noise(CHUNK))
        assert volume.pool.read(Reference(0, CHUNK, digest)) == noise(CHUNK)
        with pytest.raises(Corrupt, match=f"{CHUNK} bytes where {CHUNK - 1} were referred to"):
            volume.pool.read(Reference(0, CHUNK - 1, digest))


def test_a_generation_that_none_can_follow_is_no_sound_record() -> None:
    record = Lineage.first(None, bytes(32))
    assert Lineage.decode(record.encode()) == record
    assert Lineage.decode(record._replace(generation=2**64 - 1).encode()) is None


def test_counters_below_what_is_there(tmp_path: Path) -> None:
    with create(tmp_path / "volume.sqlite", Kind()) as file:
        session = file.session(VOLUME)
        put(session, b"file", (0, noise(CHUNK)))
        session.opened_volume.usage = VolumeUsage(1, 1)
        session.unlink(session.root, b"file")
        session.sync()
        assert session.opened_volume.usage == VolumeUsage(0, 0)
