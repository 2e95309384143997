"""Manifests to bytes and back: reader, writer, dirty chunks, truncate and holes."""

from sqlfs.content.body import Body
from sqlfs.content.deltas import DeltaTable, decode_delta
from sqlfs.content.sealing import Gauge, SealWorkers
from sqlfs.content.tree import walk

__all__ = ["Body", "DeltaTable", "Gauge", "SealWorkers", "decode_delta", "walk"]
