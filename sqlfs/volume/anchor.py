"""Where the paths of a session begin, and what they can reach."""

from __future__ import annotations

import stat

from sqlfs.errors import NameTooLong, NotADirectory, NotFound, SymlinkLoop
from sqlfs.limits import PATH_BYTES_MAX, SYMLINK_DEPTH_MAX
from sqlfs.namespace import NodeRecord, Tree


class Anchor:
    """A directory that a session shows as its root: no path leads above it.

    It stays where a session is anchored when it is moved, and when it is removed: then it is empty
    for good.  Guarded by the store's lock.
    """

    def __init__(self, tree: Tree, top: int, node: int) -> None:
        """`top` is the volume's root, `node` the directory."""
        self._tree = tree
        self._is_top = node == top
        self._top = top
        self.node = node

    def lookup(self, parent: int, name: bytes) -> NodeRecord:
        """As `Tree.lookup`.  Raises NotFound for ``..`` where a directory was moved away from
        below the anchor."""
        if name != b".." or self._is_top:
            return self._tree.lookup(parent, name)
        if parent == self.node:
            return self._tree.directory(parent)
        found = self._tree.lookup(parent, name)
        if not self._is_above(found):
            raise NotFound(f"directory {parent} is not below the session's root any more")
        return found

    def _is_above(self, directory: NodeRecord) -> bool:
        while directory.id != self.node:
            if directory.id == self._top:
                return False
            directory = self._tree.parent(directory)
        return True

    def resolve(self, path: bytes, follow: bool) -> NodeRecord:
        """What `path` leads to, symlinks in its middle followed, the last one if `follow`."""
        if len(path) >= PATH_BYTES_MAX:
            raise NameTooLong(f"a path of {len(path)} bytes is over the limit")
        root = self._tree.directory(self.node)
        at = root
        todo = path.split(b"/")[::-1]
        followed = 0
        while todo:
            name = todo.pop()
            if not stat.S_ISDIR(at.mode):
                raise NotADirectory(f"{path!r} goes through something that is not a directory")
            if not name or (name == b".." and at is root):
                continue
            found = self._tree.lookup(at.id, name)
            if not stat.S_ISLNK(found.mode) or not (todo or follow):
                at = found
                continue
            followed += 1
            if followed > SYMLINK_DEPTH_MAX:
                raise SymlinkLoop(f"{path!r} goes through too many symlinks")
            target = found.inline or b""
            if target.startswith(b"/"):
                at = root
            todo.extend(target.split(b"/")[::-1])
        return at

    def path_of(self, node: int) -> bytes:
        """By the oldest placement.  Raises NotFound where that is not below the anchor."""
        path = self._tree.path_of(node)
        if self._is_top:
            return path
        if node == self.node:
            return b"/"
        above = self._tree.path_of(self.node)
        if not path.startswith(above + b"/"):
            raise NotFound(f"node {node} has no name below the session's root")
        return path.removeprefix(above)
