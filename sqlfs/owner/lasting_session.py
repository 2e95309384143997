"""The verbs of a session that outlasts the owner it began under."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlfs.errors import ConnectionLost, SqlfsError
from sqlfs.limits import IO_BYTES_MAX, OWNER_AWAITED_S_MAX
from sqlfs.owner.backend import Link
from sqlfs.owner.changing import CHANGING
from sqlfs.owner.channel import Farewell
from sqlfs.owner.held import Handle, again, asked
from sqlfs.owner.lasting import Lasting
from sqlfs.owner.remote_session import RemoteSession
from sqlfs.owner.verbs import SESSION_VERBS
from sqlfs.types import Attributes, Caller
from sqlfs.volume.session import Listener, Session

P = ParamSpec("P")
R = TypeVar("R")


def _asking(verb: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """A verb that changes nothing: it is just asked again."""
    name = verb.__name__

    @wraps(verb)
    def ask(self: Lasting, /, *args: P.args, **kwargs: P.kwargs) -> R:
        result: R = self._ask(lambda link: getattr(link, name)(*args, **kwargs))
        return result

    return ask


def _changing(verb: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """A verb that changes names or attributes."""
    name = verb.__name__
    known, how = SESSION_VERBS[name], CHANGING[name]

    @wraps(verb)
    def change(self: Lasting, /, *args: P.args, **kwargs: P.kwargs) -> R:
        arguments = known.arguments(args, kwargs)
        result: Any = self._change(
            lambda link, number: _perform(link, number, name, *arguments),
            how.nodes(arguments),
            lambda link: how.answer(link, arguments),
        )
        return result  # type: ignore[no-any-return]

    return change


def _perform(link: Link, number: int, verb: str, *args: object) -> Any:
    if isinstance(link, RemoteSession):
        return link.change(number, verb, args)
    return getattr(link, verb)(*args)


class LastingSession(Lasting):
    """:class:`sqlfs.volume.session.Session`; made by ``Store.session``."""

    lookup = _asking(Session.lookup)
    resolve = _asking(Session.resolve)
    path_of = _asking(Session.path_of)
    readdir = _asking(Session.readdir)
    mknod = _changing(Session.mknod)
    mkdir = _changing(Session.mkdir)
    symlink = _changing(Session.symlink)
    link = _changing(Session.link)
    unlink = _changing(Session.unlink)
    rmdir = _changing(Session.rmdir)
    rename = _changing(Session.rename)
    clone = _changing(Session.clone)
    getattr = _asking(Session.getattr)
    setattr = _changing(Session.setattr)
    readlink = _asking(Session.readlink)
    getxattr = _asking(Session.getxattr)
    setxattr = _changing(Session.setxattr)
    listxattr = _asking(Session.listxattr)
    removexattr = _changing(Session.removexattr)
    statfs = _asking(Session.statfs)

    # --- opening ---

    def create(
        self, parent: int, name: bytes, mode: int, flags: int, caller: Caller
    ) -> tuple[Attributes, int]:
        def perform(link: Link, number: int) -> tuple[Attributes, Handle]:
            args = (parent, name, mode, asked(flags), caller)
            attributes, there = _perform(link, number, "create", *args)
            return attributes, Handle(attributes.node, flags, link, there)

        def answer(link: Link) -> tuple[Attributes, Handle]:
            attributes = link.lookup(parent, name)
            there = link.open(attributes.node, again(flags))
            return attributes, Handle(attributes.node, flags, link, there)

        attributes, handle = self._change(perform, (parent,), answer)
        return attributes, self._hold(handle)

    def tmpfile(self, parent: int, mode: int, flags: int, caller: Caller) -> tuple[Attributes, int]:
        def perform(link: Link, number: int) -> tuple[Attributes, Handle]:
            attributes, there = _perform(
                link, number, "tmpfile", parent, mode, asked(flags), caller
            )
            linkable = not flags & os.O_EXCL
            return attributes, Handle(attributes.node, flags, link, there, linkable)

        # One that was made by an owner that died has neither name nor user, and goes by itself.
        attributes, handle = self._change(perform, (parent,), lambda link: perform(link, 0))
        return attributes, self._hold(handle)

    def open(self, node: int, flags: int) -> int:
        def open_again(link: Link) -> Handle:
            return Handle(node, flags, link, link.open(node, again(flags)))

        if not flags & os.O_TRUNC:
            return self._hold(self._ask(open_again))

        def perform(link: Link, number: int) -> Handle:
            return Handle(node, flags, link, _perform(link, number, "open", node, asked(flags)))

        return self._hold(self._change(perform, (node,), open_again))

    def _hold(self, handle: Handle) -> int:
        with self._state:
            return self._held.add(handle)

    def _handle(self, number: int) -> Handle:
        with self._state:
            return self._held.get(number)

    # --- open files ---

    def read(self, handle: int, offset: int, size: int) -> bytes:
        file = self._handle(handle)
        return self._ask_handle(file, lambda link, there: link.read(there, offset, size))

    def seek(self, handle: int, offset: int, whence: int) -> int:
        file = self._handle(handle)
        return self._ask_handle(file, lambda link, there: link.seek(there, offset, whence))

    def write(self, handle: int, offset: int, data: bytes | memoryview) -> int:
        file = self._handle(handle)
        if len(data) <= IO_BYTES_MAX:
            self._change_handle(file, "write", offset, data)
        else:
            view = memoryview(data)
            for start in range(0, len(data), IO_BYTES_MAX):
                part = bytes(view[start : start + IO_BYTES_MAX])
                self._change_handle(file, "write", offset + start, part)
        self._fsync_if_synchronous(file)
        return len(data)

    def allocate(self, handle: int, mode: int, offset: int, length: int) -> None:
        file = self._handle(handle)
        self._change_handle(file, "allocate", mode, offset, length)
        self._fsync_if_synchronous(file)

    def _change_handle(self, file: Handle, verb: str, *args: object) -> None:
        def perform(link: Link, number: int) -> None:
            self._tell_lost(file)
            _perform(link, number, verb, self._number_of(file, link), *args)

        self._change(perform, (file.node,), lambda _link: None)

    def copy_range(
        self, handle_in: int, offset_in: int, handle_out: int, offset_out: int, length: int
    ) -> int:
        source, target = self._handle(handle_in), self._handle(handle_out)

        def copy(link: Link, number: int) -> int:
            self._tell_lost(target)
            there = self._number_of(source, link), self._number_of(target, link)
            args = (there[0], offset_in, there[1], offset_out, length)
            copied: int = _perform(link, number, "copy_range", *args)
            return copied

        # Done again, it comes out the same; how far it went, only it can tell.
        copied = self._change(copy, (target.node,), lambda link: copy(link, 0))
        if copied:
            self._fsync_if_synchronous(target)
        return copied

    def flush(self, handle: int) -> None:
        file = self._handle(handle)

        def flush(link: Link, there: int) -> None:
            self._tell_lost(file)
            link.flush(there)

        self._ask_handle(file, flush)

    def fsync(self, handle: int, data_only: bool = False) -> None:
        file = self._handle(handle)

        def fsync(link: Link, there: int) -> None:
            self._tell_lost(file, syncs=True)
            link.fsync(there, data_only)

        self._ask_handle(file, fsync)

    def _fsync_if_synchronous(self, file: Handle) -> None:
        if file.is_synchronous:
            self._ask_handle(file, lambda link, there: link.fsync(there))

    def _tell_lost(self, file: Handle, *, syncs: bool = False) -> None:
        with self._state:
            file.tell_lost(syncs=syncs)

    def lock(self, handle: int, exclusive: bool) -> None:
        file = self._handle(handle)
        self._ask_handle(file, lambda link, there: link.lock(there, exclusive))
        file.lock = "exclusive" if exclusive else "shared"

    def release(self, handle: int) -> None:
        with self._state:
            file = self._held.remove(handle)
        while file.number:
            link, number = file.link, file.number
            try:
                link.release(number)
                return
            except ConnectionLost as lost:
                self._move(link, lost)
                if file.link is link:
                    return  # the next owner never heard of it

    # --- the whole ---

    def fsyncdir(self, node: int) -> None:
        def fsync(link: Link) -> None:
            with self._state:
                self._held.tell_lost(node)
            link.fsyncdir(node)

        self._ask(fsync)

    def sync(self) -> None:
        def sync(link: Link) -> None:
            with self._state:
                self._held.tell_all_lost()
            link.sync()

        self._ask(sync)

    # --- caches above ---

    def pin(self, node: int) -> None:
        with self._state:
            is_first, moves = self._held.pin(node), self._moves
        if is_first:
            try:
                self._ask_unless_moved(moves, lambda link: link.pin(node))
            except SqlfsError:
                with self._state:
                    self._held.unpin(node)
                raise

    def unpin(self, node: int) -> None:
        with self._state:
            was_last, moves = self._held.unpin(node), self._moves
        if was_last:
            self._ask_unless_moved(moves, lambda link: link.unpin(node))

    def subscribe(self, listener: Listener) -> None:
        with self._state:
            self._listeners.append(listener)
            moves = self._moves
        self._ask_unless_moved(moves, lambda link: link.subscribe(listener))

    def _ask_unless_moved(self, moves: int, ask: Callable[[Link], None]) -> None:
        """Ask, but not a link to which all was presented as it is after `moves`."""

        def ask_once(link: Link) -> None:
            if self._moves == moves:
                ask(link)

        self._ask(ask_once)

    def congested(self) -> bool:
        return self._link.congested()

    def wait_uncongested(self) -> None:
        self._ask(lambda link: link.wait_uncongested())

    def catching_up(self) -> bool:
        return self._forgetting > 0

    def wait_caught_up(self) -> None:
        with self._state:
            self._state.wait_for(lambda: not self._forgetting, OWNER_AWAITED_S_MAX)

    # --- the end ---

    def close(self) -> None:
        with self._state:
            if self.closed:
                return
        try:
            self._close()
        finally:
            with self._state:
                self.closed = True
                self._state.notify_all()
            self._succession.remove(self)
        with self._state:
            self._held.tell_all_lost()

    def _close(self) -> None:
        link = self._link
        try:
            link.close()
        except ConnectionLost as lost:
            # A session that may write left a row that the next owner keeps for it.
            is_durable = isinstance(lost, Farewell)
            if self._succession.is_foreign or (is_durable and not link.id):
                return
            try:
                self._move(link, lost)
                self._link.close()
            except ConnectionLost:
                if not is_durable:
                    raise
