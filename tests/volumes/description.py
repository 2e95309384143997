"""What a volume holds, in the form of conformance/volumes: by names that say nothing of sqlfs."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import quote

from sqlfs.errors import Corrupt, NoSuchRange, SqlfsError
from sqlfs.types import Attributes, DirectoryEntry
from sqlfs.volume import Session

# What is larger is described by its data alone.
WHOLE_BYTES_MAX: Final = 1 << 20
KINDS: Final = {
    stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket", stat.S_IFCHR: "char_device",
    stat.S_IFBLK: "block_device",
}  # fmt: skip
_PAGE: Final = 64

Entry = dict[str, Any]
Value = TypeVar("Value")


def encoded(raw: bytes) -> str:
    """Percent-encoding, as RFC 3986 has it; slashes stay."""
    return quote(raw)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def fixed_fields(path: bytes, node: int, mode: int) -> Entry:
    return {
        "path": encoded(path), "node": node, "kind": KINDS[stat.S_IFMT(mode)],
        "mode": f"{stat.S_IMODE(mode):04o}",
    }  # fmt: skip


def describe(session: Session) -> list[Entry]:
    """Every path, the root first, in the order of paths.  What can't be read has no field, but
    stands in ``damaged``: attributes, entries, target, xattrs, content, lookup."""
    looked_at = _Looked(session)
    entries = list(looked_at.tree())
    return sorted(entries, key=lambda entry: str(entry["path"]))


@dataclass
class _Looked:
    session: Session

    def tree(self) -> Iterator[Entry]:
        session = self.session
        waiting = [(b"/", session.getattr(session.root))]
        while waiting:
            path, found = waiting.pop()
            entry = self._entry(path, found)
            if found.is_dir and not found.is_damaged:
                below = _attempt(entry, "entries", lambda: list(self._below(found.node)))  # noqa: B023
                for each in below or ():
                    waiting.append((path.rstrip(b"/") + b"/" + each.name, each.attributes))
            if path != b"/":
                _attempt(entry, "lookup", lambda: self._look_up(path, found))  # noqa: B023
            yield entry

    def _look_up(self, path: bytes, listed: Attributes) -> None:
        """What is listed must be found by its name, too."""
        folder, _, name = path.rpartition(b"/")
        parent = self.session.resolve(folder or b"/", follow=False)
        if self.session.lookup(parent.node, name) != listed:
            raise Corrupt(f"{path!r} is listed as something else")

    def _below(self, node: int) -> Iterator[DirectoryEntry]:
        cookie = 0
        while page := self.session.readdir(node, cookie, _PAGE):
            yield from page
            cookie = page[-1].cookie

    def _entry(self, path: bytes, found: Attributes) -> Entry:
        if found.is_damaged:
            return {"path": encoded(path), "damaged": ["attributes"]}
        session, node = self.session, found.node
        entry = fixed_fields(path, node, found.mode)
        entry |= {
            "uid": found.uid, "gid": found.gid, "nlink": found.nlink,
            "atime_ns": found.atime_ns, "mtime_ns": found.mtime_ns, "ctime_ns": found.ctime_ns,
            "btime_ns": found.btime_ns,
        }  # fmt: skip
        if stat.S_ISCHR(found.mode) or stat.S_ISBLK(found.mode):
            entry["rdev"] = found.rdev
        if found.is_symlink:
            target = _attempt(entry, "target", lambda: session.readlink(node))
            entry["target"] = None if target is None else encoded(target)
        xattrs = _attempt(entry, "xattrs", lambda: self._xattrs(node))
        if xattrs:
            entry["xattrs"] = xattrs
        if found.is_file:
            entry["size"] = found.size
            content = _attempt(entry, "content", lambda: self._content(node, found.size))
            entry |= content or {}
        return entry

    def _xattrs(self, node: int) -> dict[str, str]:
        return {
            encoded(name): self.session.getxattr(node, name).hex()
            for name in sorted(self.session.listxattr(node))
        }

    def _content(self, node: int, size: int) -> Entry:
        handle = self.session.open(node, os.O_RDONLY | os.O_NOATIME)
        try:
            if size <= WHOLE_BYTES_MAX:
                return {"sha256": sha256(self.session.read(handle, 0, size))}
            return {"data": list(self._data(handle, size))}
        finally:
            self.session.release(handle)

    def _data(self, handle: int, size: int) -> Iterator[list[object]]:
        at = 0
        while at < size:
            try:
                start = self.session.seek(handle, at, os.SEEK_DATA)
            except NoSuchRange:
                return
            at = self.session.seek(handle, start, os.SEEK_HOLE)
            yield [start, at - start, sha256(self.session.read(handle, start, at - start))]


def _attempt(entry: Entry, part: str, verb: Callable[[], Value]) -> Value | None:
    try:
        return verb()
    except SqlfsError:
        entry.setdefault("damaged", []).append(part)
        return None


# --- as JSON, so that a person can read what changed ---


def as_json(document: dict[str, Any]) -> str:
    """Members on lines of their own; of a list too, one object to a line."""
    members = ",\n".join(f"  {json.dumps(key)}: {_member(it)}" for key, it in document.items())
    return f"{{\n{members}\n}}\n"


def _member(value: object) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(f"    {_object(each)}" for each in value) + "\n  ]"
    return json.dumps(value)


def _object(value: dict[str, Any]) -> str:
    tree = value.get("tree")
    if tree is None:
        return json.dumps(value)
    rest = json.dumps({key: it for key, it in value.items() if key != "tree"})
    lines = ",\n".join(f"      {json.dumps(entry)}" for entry in tree)
    return f'{rest[:-1]}, "tree": [\n{lines}\n    ]}}'
