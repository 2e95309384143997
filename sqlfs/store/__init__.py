"""The only code that opens volume files and runs SQL."""

from sqlfs.store.compacting import compact_into
from sqlfs.store.creation import create_file
from sqlfs.store.database import Database
from sqlfs.store.ids import IdSource
from sqlfs.store.image import Image
from sqlfs.store.inspection import (
    LARGE_TABLE,
    free_list_findings,
    greatest_key,
    structure_findings,
    table_names,
    violations,
)
from sqlfs.store.log import log_path
from sqlfs.store.mending import mend_reservations, rebuild_indices, renew_digest
from sqlfs.store.opening import Opened, open_file
from sqlfs.store.ownership import open_descriptors
from sqlfs.store.statements import checks, sql_folder
from sqlfs.store.tally import Tally
from sqlfs.store.watch import OpenWatch

__all__ = [
    "LARGE_TABLE",
    "Database",
    "IdSource",
    "Image",
    "OpenWatch",
    "Opened",
    "Tally",
    "checks",
    "compact_into",
    "create_file",
    "free_list_findings",
    "greatest_key",
    "log_path",
    "mend_reservations",
    "open_descriptors",
    "open_file",
    "rebuild_indices",
    "renew_digest",
    "sql_folder",
    "structure_findings",
    "table_names",
    "violations",
]
