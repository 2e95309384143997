"""What workloads write: bytes of several kinds, and a tree of files."""

from __future__ import annotations

import io
import random
import sysconfig
import tarfile
from collections.abc import Iterator
from pathlib import Path

SEED = 4711
MIB = 2**20
_CORPUS_BYTES = 4 * MIB
_AT_ONCE_BYTES = 16 * MIB  # Random makes no more than 256 MiB - 1


def unique(size: int) -> bytes:
    """Bytes that neither compress nor repeat, the same at every call."""
    source = random.Random(SEED)
    parts = (min(_AT_ONCE_BYTES, size - at) for at in range(0, size, _AT_ONCE_BYTES))
    return b"".join(map(source.randbytes, parts))


def text(size: int) -> bytes:
    """Lines of Python's own library, in ever new order: compresses, and does not repeat."""
    source = random.Random(SEED)
    lines = _corpus().splitlines(keepends=True)
    parts: list[bytes] = []
    missing = size
    while missing > 0:
        source.shuffle(lines)
        parts.append(b"".join(lines)[:missing])
        missing -= len(parts[-1])
    return b"".join(parts)


def binaries(size: int) -> bytes:
    """Shared libraries, the largest of the machine first; no piece of them comes twice, as long as
    there are enough."""
    libraries = {
        found.resolve() for found in Path("/usr/lib").rglob("*.so*") if found.resolve().is_file()
    }
    parts: list[bytes] = []
    missing = size
    for library in sorted(libraries, key=lambda file: (-file.stat().st_size, file)):
        parts.append(library.read_bytes()[:missing])
        missing -= len(parts[-1])
        if not missing:
            break
    return b"".join(parts) + unique(missing)


def _corpus() -> bytes:
    parts: list[bytes] = []
    for file in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        parts.append(file.read_bytes())
        if sum(map(len, parts)) >= _CORPUS_BYTES:
            break
    return b"".join(parts)


def blocks(data: bytes, size: int = MIB) -> Iterator[memoryview]:
    view = memoryview(data)
    return (view[at : at + size] for at in range(0, len(data), size))


def tree(files: int) -> Iterator[tuple[str, bytes]]:
    """Paths and contents of a tree like one of sources: some ten files in a directory, three
    levels deep, half of them below 3 KiB, a few of a hundred."""
    source = random.Random(SEED)
    words = unique(256 * 1024)
    for number in range(files):
        size = min(int(source.lognormvariate(8.0, 1.3)), len(words))
        start = source.randrange(len(words) - size + 1)
        content = number.to_bytes(4, "big") + words[start : start + size]
        yield f"tree/d{number // 100}/d{number // 10 % 10}/file-{number}.txt", content


def tar(files: int) -> bytes:
    """:func:`tree` as an archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in tree(files):
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
