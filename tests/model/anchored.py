"""A model session that shows a directory of its volume as the root."""

from __future__ import annotations

import stat

from sqlfs.errors import NotADirectory, NotFound, SymlinkLoop
from sqlfs.limits import SYMLINK_DEPTH_MAX
from sqlfs.types import Attributes
from tests.model.session import ModelSession
from tests.model.volume import ModelVolume


class AnchoredModelSession(ModelSession):
    def __init__(self, read_only: bool, volume: ModelVolume, subdir: bytes) -> None:
        super().__init__(read_only, volume)
        self._anchor = super().root
        found = self.resolve(subdir)
        if not found.is_dir:
            raise NotADirectory(f"{subdir!r} is not a directory")
        self._anchor = found.node
        self.pin(found.node)

    @property
    def root(self) -> int:
        return self._anchor

    def lookup(self, parent: int, name: bytes) -> Attributes:
        if name == b".." and parent == self._anchor:
            return self.getattr(parent)
        found = super().lookup(parent, name)
        if name == b".." and not self._is_reached(found.node):
            raise NotFound(f"directory {parent} is outside")
        return found

    def _is_reached(self, directory: int) -> bool:
        while directory != self._anchor:
            if directory == super().root:
                return False
            directory = super().lookup(directory, b"..").node
        return True

    def resolve(self, path: bytes, follow: bool = True) -> Attributes:
        if self._anchor == super().root:
            return super().resolve(path, follow)
        at, todo, followed = self._anchor, path.split(b"/"), 0
        while todo:
            name = todo.pop(0)
            found = self.lookup(at, name) if name else self._directory(at)
            if found.is_symlink and (todo or follow):
                followed += 1
                if followed > SYMLINK_DEPTH_MAX:
                    raise SymlinkLoop(f"{path!r} goes through too many symlinks")
                target = self._state.node(found.node).target
                at = self._anchor if target.startswith(b"/") else at
                todo = [*target.split(b"/"), *todo]
            else:
                at = found.node
        return self.getattr(at)

    def _directory(self, node: int) -> Attributes:
        found = self.getattr(node)
        if not stat.S_ISDIR(found.mode):
            raise NotADirectory(f"node {node} is not a directory")
        return found

    def path_of(self, node: int) -> bytes:
        path = super().path_of(node)
        if self._anchor in (node, super().root):
            return b"/" if node == self._anchor else path
        above = super().path_of(self._anchor)
        if not path.startswith(above + b"/"):
            raise NotFound(f"node {node} has no name below the root")
        return path.removeprefix(above)
