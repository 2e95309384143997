"""The chunk store: dedupe, references, cache, manifests."""

from sqlfs.chunks.cache import SizedCache
from sqlfs.chunks.parts import Cached
from sqlfs.chunks.pool import ChunkPool, SealedChunk
from sqlfs.chunks.reference import Entries, Reference, decode_manifest
from sqlfs.chunks.rows import check_generation, unpack

__all__ = [
    "Cached",
    "ChunkPool",
    "Entries",
    "Reference",
    "SealedChunk",
    "SizedCache",
    "check_generation",
    "decode_manifest",
    "unpack",
]
