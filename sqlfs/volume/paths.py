"""Paths of the API: text, bytes or path-like objects in, bytes for the session."""

from __future__ import annotations

import os
from typing import Any, TypeVar, overload

from sqlfs.errors import Invalid, NotFound

AnyPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]
Text = TypeVar("Text", str, bytes)


def encode(path: AnyPath) -> bytes:
    """`path` as bytes; text as UTF-8, with the surrogates that stand for other bytes.

    Raises NotFound for an empty path, Invalid for one with a NUL.
    """
    raw = os.fspath(path)
    if isinstance(raw, str):
        raw = raw.encode("utf-8", "surrogateescape")
    if not raw:
        raise NotFound("an empty path names nothing")
    if b"\0" in raw:
        raise Invalid(f"{raw!r} has a NUL")
    return raw


def decode(raw: bytes) -> str:
    """Bytes as text that :func:`encode` turns back into the same bytes."""
    return raw.decode("utf-8", "surrogateescape")


@overload
def decode_like(raw: bytes, like: str | os.PathLike[str]) -> str: ...
@overload
def decode_like(raw: bytes, like: bytes | os.PathLike[bytes]) -> bytes: ...
@overload
def decode_like(raw: bytes, like: AnyPath) -> Any: ...
def decode_like(raw: bytes, like: AnyPath) -> Any:
    """`raw` as bytes where the caller spoke bytes, else as text."""
    return raw if isinstance(os.fspath(like), bytes) else decode(raw)


def split(path: bytes) -> tuple[bytes, bytes, bool]:
    """The directory, the last name, and whether slashes follow it (so it must be a directory).

    The name is empty for the root.
    """
    stripped = path.rstrip(b"/")
    folder, _, name = stripped.rpartition(b"/")
    return folder or b"/", name, len(stripped) < len(path)


def show(path: bytes) -> str:
    """`path` as a message shows it."""
    return repr(decode(path))
