"""The format does not drift: the bytes of every sealed thing are those of ``vectors.json``."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from sqlfs.crypto import KdfParameters, KeySlot, Purpose, Sealer, derive_kek, padme, unwrap
from sqlfs.errors import Corrupt, UnsupportedFormat
from tests.crypto import vectors

VECTORS: dict[str, Any] = json.loads(vectors.PATH.read_text())
ERRORS = {"corrupt": Corrupt, "unsupported": UnsupportedFormat}


def _cases(group: str, *results: str) -> list[Any]:
    chosen = [v for v in VECTORS[group] if not results or v["result"] in results]
    assert chosen
    return [pytest.param(v, id=f"{group}-{v['id']}") for v in chosen]


def _sealer(vector: dict[str, Any]) -> Sealer:
    if vector["master"] is None:
        return Sealer.plain()
    ids = vector.get("id_generation")
    return Sealer.from_master(bytes.fromhex(vector["master"]), vector.get("generation", 9), ids)


def _aad(vector: dict[str, Any]) -> list[bytes | int]:
    return [e if isinstance(e, int) else bytes.fromhex(e) for e in vector["aad"]]


def _body(vector: dict[str, Any]) -> bytes:
    body = vector["body"]
    if isinstance(body, str):
        return bytes.fromhex(body)
    return bytes([body["byte"]] * body["count"])


def test_the_reference_still_makes_these_vectors() -> None:
    assert json.loads(json.dumps(vectors.make())) == VECTORS


@pytest.mark.parametrize("vector", _cases("sealing", "valid"))
def test_seals_and_opens(vector: dict[str, Any]) -> None:
    sealer, purpose, aad, body = (
        _sealer(vector),
        Purpose(vector["purpose"]),
        _aad(vector),
        _body(vector),
    )
    sealed = sealer.seal(purpose, aad, body)
    if isinstance(vector["sealed"], str):
        assert sealed.hex() == vector["sealed"]
    else:
        seen = {"length": len(sealed), "sha256": hashlib.sha256(sealed).hexdigest()}
        assert seen == vector["sealed"]
    assert sealer.open(purpose, aad, sealed, "thing") == body


@pytest.mark.parametrize("vector", _cases("sealing", "corrupt", "unsupported"))
def test_refuses(vector: dict[str, Any]) -> None:
    sealed = bytes.fromhex(vector["sealed"])
    with pytest.raises(ERRORS[vector["result"]], match=r"^thing: "):
        _sealer(vector).open(Purpose(vector["purpose"]), _aad(vector), sealed, "thing")


@pytest.mark.parametrize("vector", _cases("ids"))
def test_identifies(vector: dict[str, Any]) -> None:
    sealer, body, node = _sealer(vector), bytes.fromhex(vector["body"]), vector["node"]
    made = {
        "chunk id": lambda: sealer.chunk_id(body),
        "manifest id": lambda: sealer.manifest_id(body),
        "name tag": lambda: sealer.name_tag(node, body),
        "xattr tag": lambda: sealer.xattr_tag(node, body),
    }[vector["kind"]]()
    assert made.hex() == vector["id"]


@pytest.mark.parametrize("vector", _cases("slots"))
def test_unwraps(vector: dict[str, Any]) -> None:
    kdf = KdfParameters(vector["memory_kib"], vector["passes"], vector["lanes"])
    salt = bytes.fromhex(vector["salt"])
    kek = derive_kek(bytes.fromhex(vector["passphrase"]), salt, kdf)
    assert kek.hex() == vector["kek"]
    slot = KeySlot(salt, kdf, bytes.fromhex(vector["commitment"]), bytes.fromhex(vector["wrapped"]))
    uuid = bytes.fromhex(vector["volume_uuid"])
    assert unwrap(slot, kek, uuid, vector["slot"], vector["generation"]).hex() == vector["master"]


def test_padme() -> None:
    assert [[length, padme(length)] for length, _ in VECTORS["padme"]] == VECTORS["padme"]
