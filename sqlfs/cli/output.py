"""Standard output and standard error, safe for names of any bytes.

Text is UTF-8; bytes that are not come through as they are, and in JSON as the lone surrogates
U+DC80 to U+DCFF (Python's ``surrogateescape``).
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from sqlfs.cli.quoting import escaped, quoted
from sqlfs.errors import SqlfsError

Fields = Mapping[str, object]

_STREAMS: Final = (("stdout", "surrogateescape"), ("stderr", "backslashreplace"))


def set_up() -> None:
    """Have the standard streams take any text, and their descriptors taken.

    A volume file that got the number of a closed one would be written over by messages.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name, errors in _STREAMS:
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors=errors)


def line(text: str = "") -> None:
    """One line for people.  Names in it went through :func:`shown`."""
    with _writing():
        print(text)


def shown(name: str) -> str:
    """A name for people: quoted at a terminal if need be, elsewhere its very bytes."""
    return quoted(name) if sys.stdout is not None and sys.stdout.isatty() else name


def document(fields: Fields) -> None:
    """One JSON object."""
    line(json.dumps(fields, indent=2))


class Array:
    """A JSON array that is written while its objects come, one line for each."""

    def __init__(self) -> None:
        self._separator = "["

    def add(self, fields: Fields) -> None:
        with _writing():
            print(f"{self._separator}\n  {json.dumps(fields)}", end="")
        self._separator = ","

    def end(self) -> None:
        line("[]" if self._separator == "[" else "\n]")


def documents(items: Iterable[Fields]) -> None:
    """A whole :class:`Array`."""
    array = Array()
    for fields in items:
        array.add(fields)
    array.end()


def data(piece: bytes) -> None:
    """Bytes as they are."""
    rest = memoryview(piece)
    with _writing():
        while rest:
            # All at once, unless Python was told not to buffer.
            rest = rest[sys.stdout.buffer.write(rest) :]


def complaint(message: str) -> None:
    """One line on standard error."""
    print(f"sqlfs: {escaped(message)}", file=sys.stderr)


def flush() -> int:
    """Have everything written; always 0.  Raises SqlfsError or BrokenPipeError if it can't be."""
    if sys.stdout is not None:
        try:
            with _writing():
                sys.stdout.flush()
        except OSError:
            abandon()
            raise
    return 0


def abandon() -> None:
    """Keep Python from trying once more, at its end, to write what is left."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, 1)
    os.close(descriptor)


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise SqlfsError(f"can't write to standard output: {reason}", errno_=error.errno) from error
