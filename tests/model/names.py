"""The verbs on names: lookup, directories, links, rename, clone."""

from __future__ import annotations

import stat

from sqlfs.errors import (
    AlreadyExists,
    Invalid,
    IsADirectory,
    NameTooLong,
    NotADirectory,
    NotEmpty,
    NotFound,
    NotPermitted,
    SymlinkLoop,
)
from sqlfs.limits import NAME_BYTES_MAX, PATH_BYTES_MAX, SYMLINK_BYTES_MAX, SYMLINK_DEPTH_MAX
from sqlfs.types import (
    Attributes,
    Caller,
    Change,
    ChangeKind,
    DirectoryEntry,
    RenameFlag,
)
from tests.model.acls import inherit
from tests.model.base import SessionState
from tests.model.volume import ModelVolume, Node, check_name

NODE_TYPES = (stat.S_IFREG, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK)


class NameVerbs(SessionState):
    # --- finding ---

    def lookup(self, parent: int, name: bytes) -> Attributes:
        with self._reading() as state:
            return state.attributes(_step(state, state.directory(parent), name))

    def resolve(self, path: bytes, follow: bool = True) -> Attributes:
        if len(path) >= PATH_BYTES_MAX:
            raise NameTooLong(f"a path of {len(path)} bytes is over the limit")
        with self._reading() as state:
            return state.attributes(_walk(state, path, follow))

    def path_of(self, node: int) -> bytes:
        with self._reading() as state:
            at = state.node(node)
            names: list[bytes] = []
            while at.id != state.root:
                if not at.placements:
                    raise NotFound(f"node {node} has no name any more")
                oldest = at.placements[min(at.placements)]
                names.append(oldest.name)
                at = state.nodes[oldest.parent]
            return b"/" + b"/".join(reversed(names))

    def readdir(self, node: int, cookie: int, limit: int) -> list[DirectoryEntry]:
        with self._reading() as state:
            edges = sorted(state.directory(node).children.values(), key=lambda edge: edge.id)
            return [
                DirectoryEntry(edge.id, edge.name, state.attributes(state.nodes[edge.child]))
                for edge in edges
                if edge.id > cookie
            ][:limit]

    # --- making ---

    def mknod(self, parent: int, name: bytes, mode: int, rdev: int, caller: Caller) -> Attributes:
        kind = stat.S_IFMT(mode) or stat.S_IFREG
        if kind not in NODE_TYPES:
            raise Invalid(f"mknod does not make nodes of type {kind:#o}")
        is_device = kind in (stat.S_IFCHR, stat.S_IFBLK)
        mode = kind | stat.S_IMODE(mode)
        return self._make(parent, name, mode, caller, rdev=rdev if is_device else 0)

    def mkdir(self, parent: int, name: bytes, mode: int, caller: Caller) -> Attributes:
        return self._make(parent, name, stat.S_IFDIR | stat.S_IMODE(mode), caller)

    def symlink(self, parent: int, name: bytes, target: bytes, caller: Caller) -> Attributes:
        if not target:
            raise NotFound("a symlink needs a target")
        if b"\0" in target:
            raise Invalid("a symlink's target has no NUL")
        if len(target) > SYMLINK_BYTES_MAX:
            raise NameTooLong(f"a target of {len(target)} bytes is over {SYMLINK_BYTES_MAX}")
        return self._make(parent, name, stat.S_IFLNK | 0o777, caller, target=target)

    def _make(
        self,
        parent: int,
        name: bytes,
        mode: int,
        caller: Caller,
        rdev: int = 0,
        target: bytes = b"",
    ) -> Attributes:
        with self._changing() as changes:
            node = self._new_child(changes, parent, name, mode, caller)
            node.rdev = rdev
            node.target = target
            return self._state.attributes(node)

    def _new_child(
        self, changes: list[Change], parent: int, name: bytes, mode: int, caller: Caller
    ) -> Node:
        directory = _free_place(self._state, parent, name)
        node = self._new_node_in(directory, mode, caller)
        self._state.place(node, directory, name)
        changes += _placed(directory, name)
        return node

    def _new_node_in(self, directory: Node, mode: int, caller: Caller) -> Node:
        gid = caller.gid
        if directory.mode & stat.S_ISGID:
            gid = directory.gid
            if stat.S_ISDIR(mode):
                mode |= stat.S_ISGID
        node = self._state.new_node(mode, caller.uid, gid)
        inherit(directory, node, caller.umask)
        return node

    def link(self, node: int, parent: int, name: bytes) -> Attributes:
        with self._changing() as changes:
            child = self._state.node(node)
            directory = _free_place(self._state, parent, name)
            if child.is_dir:
                raise NotPermitted(f"node {node} is a directory: it has one name only")
            if not (child.placements or child.linkable):
                raise NotFound(f"node {node} has no name any more")
            child.linkable = False
            self._state.place(child, directory, name)
            child.ctime_ns = self._state.now()
            changes += [*_placed(directory, name), Change(ChangeKind.ATTRIBUTES, node)]
            return self._state.attributes(child)

    def clone(self, source: int, parent: int, name: bytes, caller: Caller) -> Attributes:
        del caller  # the attributes are the source's
        with self._changing() as changes:
            original = self._state.node(source)
            if original.is_dir:
                raise IsADirectory(f"node {source} is a directory: clone its entries instead")
            directory = _free_place(self._state, parent, name)
            twin = self._state.new_node(original.mode, original.uid, original.gid, original.rdev)
            twin.atime_ns, twin.mtime_ns = original.atime_ns, original.mtime_ns
            twin.target = original.target
            twin.content = original.content.copy()
            twin.xattrs = dict(original.xattrs)
            self._state.place(twin, directory, name)
            changes += _placed(directory, name)
            return self._state.attributes(twin)

    # --- taking away ---

    def unlink(self, parent: int, name: bytes) -> None:
        with self._changing() as changes:
            directory = self._state.directory(parent)
            check_name(name)
            if self._state.child(directory, name).is_dir:
                raise IsADirectory(f"{name!r} in directory {parent} is a directory: use rmdir")
            self._remove(directory, name, changes)

    def rmdir(self, parent: int, name: bytes) -> None:
        with self._changing() as changes:
            directory = self._state.directory(parent)
            check_name(name)
            child = self._state.child(directory, name)
            if not child.is_dir:
                raise NotADirectory(f"{name!r} in directory {parent} is not a directory")
            if child.children:
                raise NotEmpty(f"{name!r} in directory {parent} is not empty")
            self._remove(directory, name, changes)

    def _remove(self, directory: Node, name: bytes, changes: list[Change]) -> None:
        child = self._state.displace(directory, name)
        changes += [*_placed(directory, name), Change(ChangeKind.ATTRIBUTES, child.id)]
        self._state.drop_if_unused(child)

    # --- moving ---

    def rename(
        self,
        parent: int,
        name: bytes,
        new_parent: int,
        new_name: bytes,
        flags: RenameFlag = RenameFlag.NONE,
        caller: Caller | None = None,
    ) -> None:
        with self._changing() as changes:
            state = self._state
            source, destination = state.directory(parent), state.directory(new_parent)
            check_name(name)
            check_name(new_name)
            if flags > 7 or (flags & RenameFlag.EXCHANGE and flags != RenameFlag.EXCHANGE):
                raise Invalid(f"rename does not know the flags {flags!r}")
            node = state.child(source, name)
            if flags == RenameFlag.EXCHANGE:
                self._exchange(source, name, destination, new_name, changes)
                return
            if not state.is_placed(destination):
                raise NotFound(f"directory {new_parent} was removed")
            edge = destination.children.get(new_name)
            if edge is not None and flags & RenameFlag.NOREPLACE:
                raise AlreadyExists(f"{new_name!r} is in directory {new_parent} already")
            if _is_within(state, destination, node):
                raise Invalid(f"{name!r} cannot move into its own subtree")
            if edge is not None:
                replaced = state.nodes[edge.child]
                if replaced is node:
                    return
                if _is_within(state, source, replaced):
                    raise NotEmpty(f"{new_name!r} is there and holds {name!r}")
                _check_replaceable(node, replaced, new_name)
                self._remove(destination, new_name, changes)
            old_place = source.children[name].id
            new_place = edge.id if edge is not None else None
            state.displace(source, name)
            if flags & RenameFlag.WHITEOUT:
                whiteout = self._new_node_in(source, stat.S_IFCHR, caller or Caller(0, 0))
                state.place(whiteout, source, name, old_place)
            elif new_place is None:
                new_place = old_place
            state.place(node, destination, new_name, new_place)
            changes += [*_placed(source, name), *_placed(destination, new_name)]
            changes.append(Change(ChangeKind.ATTRIBUTES, node.id))

    def _exchange(
        self,
        source: Node,
        name: bytes,
        destination: Node,
        new_name: bytes,
        changes: list[Change],
    ) -> None:
        state = self._state
        one, two = state.child(source, name), state.child(destination, new_name)
        if one is two:
            return
        for node, into in ((one, destination), (two, source)):
            if node.is_dir and _is_within(state, into, node):
                raise Invalid(f"node {node.id} cannot move into its own subtree")
        places = source.children[name].id, destination.children[new_name].id
        state.displace(source, name)
        state.displace(destination, new_name)
        state.place(two, source, name, places[0])
        state.place(one, destination, new_name, places[1])
        changes += [*_placed(source, name), *_placed(destination, new_name)]
        changes += [Change(ChangeKind.ATTRIBUTES, node.id) for node in (one, two)]


def _placed(directory: Node, name: bytes) -> list[Change]:
    """What a new, another or no child at `name` means to caches."""
    return [
        Change(ChangeKind.ENTRY, directory.id, name),
        Change(ChangeKind.ATTRIBUTES, directory.id),
    ]


def _free_place(state: ModelVolume, parent: int, name: bytes) -> Node:
    """The directory `parent`, where `name` may be placed."""
    directory = state.directory(parent)
    check_name(name)
    if name in directory.children:
        raise AlreadyExists(f"{name!r} is in directory {parent} already")
    if not state.is_placed(directory):
        raise NotFound(f"directory {parent} was removed")
    return directory


def _is_within(state: ModelVolume, directory: Node, ancestor: Node) -> bool:
    while directory is not ancestor:
        if directory.id == state.root:
            return False
        directory = state.parent(directory)
    return True


def _check_replaceable(node: Node, replaced: Node, name: bytes) -> None:
    if node.is_dir and not replaced.is_dir:
        raise NotADirectory(f"{name!r} is there and is not a directory")
    if replaced.is_dir and not node.is_dir:
        raise IsADirectory(f"{name!r} is there and is a directory")
    if replaced.children:
        raise NotEmpty(f"{name!r} is there and is not empty")


def _step(state: ModelVolume, directory: Node, name: bytes) -> Node:
    if name == b".":
        return directory
    if name == b"..":
        return state.parent(directory)
    if len(name) > NAME_BYTES_MAX:
        raise NameTooLong(f"a name of {len(name)} bytes is over the limit of {NAME_BYTES_MAX}")
    return state.child(directory, name)


def _walk(state: ModelVolume, path: bytes, follow: bool) -> Node:
    at = state.nodes[state.root]
    todo = path.split(b"/")
    followed = 0
    while todo:
        name = todo.pop(0)
        if not at.is_dir:
            raise NotADirectory(f"{path!r} goes through something that is not a directory")
        if not name:
            continue
        found = _step(state, at, name)
        if found.is_symlink and (todo or follow):
            followed += 1
            if followed > SYMLINK_DEPTH_MAX:
                raise SymlinkLoop(f"{path!r} goes through too many symlinks")
            if found.target.startswith(b"/"):
                at = state.nodes[state.root]
            todo = [*found.target.split(b"/"), *todo]
        else:
            at = found
    return at
