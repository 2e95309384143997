"""Keys, sealing and key slots.  Pure: no I/O, no state."""

from sqlfs.crypto.compression import Compressor
from sqlfs.crypto.kdf import KdfParameters, derive_kek
from sqlfs.crypto.padding import padme
from sqlfs.crypto.process import protect_process
from sqlfs.crypto.purpose import Codec, Purpose
from sqlfs.crypto.seal import Sealer
from sqlfs.crypto.segments import BadTag, Segments, built
from sqlfs.crypto.slots import KeySlot, make_slot, new_master, unwrap

__all__ = [
    "BadTag",
    "Codec",
    "Compressor",
    "KdfParameters",
    "KeySlot",
    "Purpose",
    "Sealer",
    "Segments",
    "built",
    "derive_kek",
    "make_slot",
    "new_master",
    "padme",
    "protect_process",
    "unwrap",
]
