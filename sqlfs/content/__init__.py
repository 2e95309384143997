"""Manifests to bytes and back: reader, writer, dirty chunks, truncate and holes."""

from sqlfs.content.body import Body
from sqlfs.content.deltas import Delta, DeltaTable, are_all, decode_delta, seal_number
from sqlfs.content.inline import is_inline, read_inline, truncate_inline, write_inline
from sqlfs.content.sealing import Gauge, SealWorkers
from sqlfs.content.single import read_single
from sqlfs.content.tree import walk

__all__ = [
    "Body",
    "Delta",
    "DeltaTable",
    "Gauge",
    "SealWorkers",
    "are_all",
    "decode_delta",
    "is_inline",
    "read_inline",
    "read_single",
    "seal_number",
    "truncate_inline",
    "walk",
    "write_inline",
]
