"""What SQLite itself finds wrong, and rows that belong to no volume at all."""

from __future__ import annotations

from typing import Final

from sqlfs.errors import Corrupt
from sqlfs.maintenance.repair.mending import Mending
from sqlfs.store import (
    LARGE_TABLE,
    free_list_findings,
    mend_reservations,
    rebuild_indices,
    structure_findings,
    table_names,
)

# Said of values that their column can't have: whoever looks at rows mends these.
_OF_VALUES: Final = (
    "NULL value in",
    "non-",
    "TEXT value in",
    "NUMERIC value in",
    "CHECK constraint",
)


def mend_indices(mending: Mending, *, deep: bool) -> None:
    """Make the indices of tables anew that do not agree with them, with `deep` that of content,
    too.  Raises Corrupt where the pages of a table are damaged: to write there may do harm."""
    for line in free_list_findings(mending.db):
        raise _hopeless(mending, line)
    for table in table_names():
        if table == LARGE_TABLE and not deep:
            continue
        told = [line for line in structure_findings(mending.db, table) if _is_of_structure(line)]
        if not told:
            continue
        if not all("index" in line for line in told):
            raise _hopeless(mending, told[0])
        doubles = rebuild_indices(mending.db, table)
        mending.note("sqlite", f"table {table}", "its indices were damaged: made anew")
        if doubles:
            message = f"{doubles} rows stood for a thing that another stands for: removed"
            mending.note("sqlite", f"table {table}", message)


def remove_strays(mending: Mending) -> None:
    """Counters and key slots of volumes that are not there, and records that none asks for."""
    for statement, what in (
        ("lineage_strays", "lineage records"),
        ("counter_strays", "counters"),
        ("key_slot_strays", "key slots"),
    ):
        if removed := _changed(mending, statement):
            mending.note("volume_incomplete", f"{removed} {what}", "belong to nothing: removed")
    for home in mending.homes:
        deltas = home.volume.deltas
        for node in deltas.nodes():
            if home.has(node) and not home.volume.nodes.get(node).delta_count:
                deltas.remove_rows(node)
                what, message = f"node {node} of {home}", "has no use for its deltas: removed"
                mending.note("delta_stray", what, message)
    if not mending.others and (removed := _changed(mending, "delta_strays")):
        mending.note("delta_without_node", f"{removed} deltas", "belong to nothing: removed")


def forget_clients(mending: Mending) -> None:
    """Whoever used the file before does not go on with what is not as it was."""
    mending.db.write("mount_clear")


def mend_flags(mending: Mending) -> None:
    """Settings that are true in a way of their own."""
    for home in mending.homes:
        info = home.volume.info
        if _changed(mending, "volume_flags", info.id, int(info.encrypted), int(info.dedupe)):
            mending.note("sqlite", str(home), "its flags were neither 0 nor 1: put right")


def _changed(mending: Mending, statement: str, *parameters: int) -> int:
    """How many rows a statement changes."""
    mending.db.write(statement, *parameters)
    ((changed,),) = mending.db.raw_rows("changed_rows")
    return int(changed)


def secure_ids(mending: Mending) -> None:
    """Ids in use, and those that may have been used, are not handed out again."""
    for kind in mend_reservations(mending.db):
        mending.note("id_not_reserved", f"ids of kind {kind}", "were not reserved: reserved now")


def _is_of_structure(line: str) -> bool:
    return not line.startswith(_OF_VALUES)


def _hopeless(mending: Mending, line: str) -> Corrupt:
    path = mending.db.path
    return Corrupt(
        f"{path} can't be repaired where it is: SQLite says: {line}; get out what is intact by:"
        f" sqlfs salvage {path} DIRECTORY"
    )
