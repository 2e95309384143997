"""A golden volume as the independent reader describes it."""

from __future__ import annotations

import stat
from typing import Any

from tests.format.reader import Node, VolumeFileReader, VolumeReader
from tests.volumes.description import WHOLE_BYTES_MAX, Entry, encoded, fixed_fields, sha256


def volume_as_read(reader: VolumeFileReader, expected: dict[str, Any]) -> dict[str, Any]:
    """The document of the volume of that name and passphrase."""
    passphrase = expected["passphrase"]
    volume = reader.volume(expected["name"], passphrase and passphrase.encode())
    nodes, size = volume.counters()
    (row,) = reader.rows("SELECT created FROM volume WHERE id = ?", volume.id)
    return {
        "name": expected["name"], "uuid": volume.uuid.hex(), "passphrase": passphrase,
        "dedupe": volume.dedupe, "chunk_size": volume.chunk_size, "created_ns": row[0],
        "nodes": nodes, "bytes": size, "quota_nodes": volume.quota_nodes,
        "quota_bytes": volume.quota_bytes, "tree": _tree(volume),
    }  # fmt: skip


def _tree(volume: VolumeReader) -> list[Entry]:
    nodes = volume.nodes()
    entries = [_entry(volume, path, nodes[id_]) for path, id_ in volume.tree().items()]
    return sorted(entries, key=lambda entry: str(entry["path"]))


def _entry(volume: VolumeReader, path: bytes, node: Node) -> Entry:
    entry = fixed_fields(path, node.id, node.mode)
    entry |= {
        "uid": node.uid, "gid": node.gid, "nlink": node.nlink, "atime_ns": node.atime_ns,
        "mtime_ns": node.mtime_ns, "ctime_ns": node.ctime_ns, "btime_ns": node.btime_ns,
    }  # fmt: skip
    if stat.S_ISCHR(node.mode) or stat.S_ISBLK(node.mode):
        entry["rdev"] = node.rdev
    if stat.S_ISLNK(node.mode):
        entry["target"] = encoded(node.inline or b"")
    if node.has_xattrs:
        found = volume.xattrs(node.id)
        entry["xattrs"] = {encoded(name): value.hex() for name, value in found.items()}
    if stat.S_ISREG(node.mode):
        entry["size"] = node.size
        if node.size <= WHOLE_BYTES_MAX:
            entry["sha256"] = sha256(volume.content(node))
        else:
            entry["data"] = _data(volume, node)
    return entry


def _data(volume: VolumeReader, node: Node) -> list[list[object]]:
    runs: list[tuple[int, bytes]] = []
    for offset, piece in volume.pieces(node):
        if runs and sum((runs[-1][0], len(runs[-1][1]))) == offset:
            runs[-1] = (runs[-1][0], runs[-1][1] + piece)
        else:
            runs.append((offset, piece))
    return [[offset, len(data), sha256(data)] for offset, data in runs]
