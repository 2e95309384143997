"""The content of a tiny file, in its node's record: it needs no body as long as it stays tiny.

A record is changed at once, and written with the others before the next commit.  Callers hold the
store's lock, and note the change.
"""

from __future__ import annotations

from sqlfs.limits import INLINE_BYTES_MAX
from sqlfs.namespace import NodeRecord


def is_inline(record: NodeRecord, size: int = 0) -> bool:
    """Whether the stored content stands in the record, or is empty, and may stay there when the
    file has `size` bytes at least."""
    stored = record.root is not None or record.delta_count
    return not stored and record.size <= INLINE_BYTES_MAX and size <= INLINE_BYTES_MAX


def read_inline(record: NodeRecord, offset: int, size: int) -> bytes:
    """Up to `size` bytes; fewer at the end of the file only."""
    return _content(record)[offset : offset + size]


def write_inline(record: NodeRecord, offset: int, data: bytes | memoryview) -> None:
    """All of `data`, zeros before it where it begins beyond the end."""
    content = _content(record)
    if offset or len(data) < len(content):
        content = b"".join(
            (content[:offset].ljust(offset, b"\0"), data, content[offset + len(data) :])
        )
    else:
        content = bytes(data)
    record.inline = content or None
    record.size = len(content)


def truncate_inline(record: NodeRecord, size: int) -> None:
    """Cut, or extend by zeros."""
    content = _content(record)[:size].ljust(size, b"\0")
    record.inline = content or None
    record.size = size


def _content(record: NodeRecord) -> bytes:
    # Nothing stands for zeros where nobody but a forger has left it so.
    return record.inline if record.inline is not None else bytes(record.size)
