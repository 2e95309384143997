"""Seeded verbs on a volume and, in lockstep, on the model."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlfs.types import AllocateMode, AttributeChanges, Attributes, Caller, RenameFlag, XattrFlag
from sqlfs.volume.session import Session
from tests.contract import acl_values
from tests.model.session import ModelSession
from tests.power.history import History
from tests.power.tree_state import Place, digest_of, places

# Few, so that verbs often meet what others made.
_NAMES = [b"a", b"b", b"c", b"d", b"e"]
_XATTRS = [b"user.a", b"user.b"]
_ACL_NAMES = [acl_values.ACCESS, acl_values.DEFAULT]
_ACLS = [acl_values.MINIMAL, acl_values.NAMED, acl_values.MASKED, b""]
_DIRECTORY_DEPTH_MAX = 3
_HANDLES_MAX = 5
_PAGE_BYTES = 4096
_SIZES = [0, 1, 500, 513, 4095, 4096, 4097, 9000, 20_000]
_OPEN_FLAGS = [
    os.O_RDWR,
    os.O_RDWR,
    os.O_WRONLY | os.O_APPEND,
    os.O_RDWR | os.O_TRUNC,
    os.O_WRONLY | os.O_SYNC,
    os.O_WRONLY | os.O_DSYNC,
]
_PUNCH = AllocateMode.PUNCH_HOLE | AllocateMode.KEEP_SIZE
_ALLOCATIONS = [_PUNCH, AllocateMode.ZERO_RANGE, AllocateMode.GROW, AllocateMode.KEEP_SIZE]
CALLER = Caller(0, 0)

Weighted = list[tuple[Callable[[], None], int]]


@dataclass(slots=True)
class Side:
    """One of the two in lockstep; `handles` by numbers that both share, and by the same the nodes
    that were `nameless` when they were opened."""

    session: Session
    handles: dict[int, int] = field(default_factory=dict)
    nameless: dict[int, int] = field(default_factory=dict)

    def node(self, path: bytes) -> int:
        return self.session.resolve(path, follow=False).node

    def release_all(self) -> None:
        while self.handles:
            self.session.release(self.handles.popitem()[1])


@dataclass(frozen=True, slots=True)
class _Opened:
    flags: int
    node: int  # of the model


class Lockstep:
    """Chooses verbs by `chance` and what the model holds; each state goes to `history`.

    `acknowledge` is told the number of a state that has become durable by promise.  Behind a
    mount, the kernel may pass a write on in pieces that end where pages do.
    """

    def __init__(
        self,
        model: ModelSession,
        session: Session,
        chance: random.Random,
        history: History,
        acknowledge: Callable[[int], None],
        *,
        kernel_splits_writes: bool = False,
    ) -> None:
        self._model = Side(model)
        self._volume = Side(session)
        self._chance = chance
        self._history = history
        self._tell = acknowledge
        self._made = 0  # handles
        self._opened: dict[int, _Opened] = {}  # by handle
        self._kernel_splits_writes = kernel_splits_writes
        self.remember()

    def run(self, steps: int, others: Weighted) -> None:
        """So many random steps; `others` are verbs on the file as a whole."""
        verbs: Weighted = [
            (self._create, 8),
            (self._open_file, 5),
            (self._write, 14),
            (self._truncate, 4),
            (self._release, 4),
            (self._mkdir, 3),
            (self._rmdir, 2),
            (self._symlink, 2),
            (self._link, 2),
            (self._unlink, 4),
            (self._rename, 6),
            (self._chmod, 2),
            (self._setxattr, 3),
            (self._removexattr, 1),
            (self._fsync, 6),
            (self._fsyncdir, 2),
            *others,
        ]
        for _ in range(steps):
            (verb,) = self._chance.choices(
                [verb for verb, _ in verbs], [often for _, often in verbs]
            )
            verb()

    def acknowledge(self) -> None:
        """What the model holds now is durable by promise."""
        self._tell(self._state)

    def remember(self) -> None:
        """What there is now is a state."""
        self._state = self._history.add(digest_of(self._model.session))

    def reopened(self, session: Session) -> None:
        """The volume's session has become another one."""
        self._volume.session = session

    def release_all(self) -> None:
        for side in (self._model, self._volume):
            side.release_all()
        self.remember()

    # --- verbs that not every session has: `others` may name them ---

    def clone(self) -> None:
        path, at, name = self._file_path(), self._directory(), self._name()
        if path is not None:
            self._both(
                lambda side: side.session.clone(side.node(path), side.node(at), name, CALLER)
            )

    def tmpfile(self) -> None:
        at, number = self._directory(), self._new_handle()
        if number is None:
            return

        def verb(side: Side) -> None:
            made, side.handles[number] = side.session.tmpfile(
                side.node(at), 0o666, os.O_RDWR, CALLER
            )
            side.nameless[number] = made.node

        self._both(verb)
        self._opened[number] = _Opened(os.O_RDWR, self._model.nameless[number])

    def link_nameless(self) -> None:
        at, name = self._directory(), self._name()
        numbers = [number for number in self._model.handles if number in self._model.nameless]
        if numbers:
            number = self._chance.choice(numbers)
            self._both(lambda side: side.session.link(side.nameless[number], side.node(at), name))

    def whiteout(self) -> None:
        path, to, new_name = self._any(), self._directory(), self._name()
        if path is not None:
            at, _, name = path.rpartition(b"/")
            self._both(
                lambda side: side.session.rename(
                    side.node(at), name, side.node(to), new_name, RenameFlag.WHITEOUT, CALLER
                )
            )

    def set_acl(self) -> None:
        path, name, value = (
            self._chance.choice(self._places(_is_no_symlink))[0],
            self._chance.choice(_ACL_NAMES),
            self._chance.choice(_ACLS),
        )
        self._both(lambda side: side.session.setxattr(side.node(path), name, value))

    def allocate(self) -> None:
        number, mode = self._handle(), self._chance.choice(_ALLOCATIONS)
        offset, length = self._chance.choice(_SIZES), 1 + self._chance.choice(_SIZES)
        if number is None:
            return
        error = self._both(
            lambda side: side.session.allocate(side.handles[number], mode, offset, length)
        )
        if error is None and self._opened[number].flags & os.O_DSYNC:
            self.acknowledge()

    def copy_range(self) -> None:
        source, target = self._handle(), self._handle()
        offset_in, offset_out, length = (self._chance.choice(_SIZES) for _ in range(3))
        if source is None or target is None:
            return
        copied = 0

        def verb(side: Side) -> None:
            nonlocal copied
            copied = side.session.copy_range(
                side.handles[source], offset_in, side.handles[target], offset_out, length
            )

        self._both(verb)
        if copied and self._opened[target].flags & os.O_DSYNC:
            self.acknowledge()

    # --- both ---

    def _both(
        self, verb: Callable[[Side], object], on_model: Callable[[], object] | None = None
    ) -> int | None:
        """Run a verb on the model, remember the state it leads to, and run it on the volume.
        Returns the error that it ended in, if any."""
        expected = _error_of(on_model or (lambda: verb(self._model)))
        self.remember()
        found = _error_of(lambda: verb(self._volume))
        assert found == expected, f"error {found} where the model has {expected}"
        return expected

    # --- what to do it to ---

    def _places(self, wanted: Callable[[Attributes], bool]) -> list[Place]:
        return [each for each in places(self._model.session) if wanted(each[1])]

    def _directory(self) -> bytes:
        return self._chance.choice(self._places(lambda there: there.is_dir))[0]

    def _any(self, wanted: Callable[[Attributes], bool] = lambda _: True) -> bytes | None:
        """The path of something below the root."""
        found = [path for path, _ in self._places(wanted) if path]
        return self._chance.choice(found) if found else None

    def _file_path(self) -> bytes | None:
        return self._any(lambda there: there.is_file)

    def _name(self) -> bytes:
        return self._chance.choice(_NAMES)

    def _handle(self) -> int | None:
        handles = list(self._model.handles)
        return self._chance.choice(handles) if handles else None

    def _data(self) -> bytes:
        # Few different ones, so that equal chunks are common.
        return random.Random(self._chance.randrange(8)).randbytes(self._chance.choice(_SIZES))

    # --- open files ---

    def _create(self) -> None:
        at, name, number = self._directory(), self._name(), self._new_handle()
        if number is None:
            return

        def verb(side: Side) -> None:
            _, side.handles[number] = side.session.create(
                side.node(at), name, 0o644, os.O_RDWR, CALLER
            )

        self._both(verb)
        if number in self._model.handles:
            self._opened[number] = _Opened(os.O_RDWR, self._model.node(at + b"/" + name))

    def _open_file(self) -> None:
        path, number = self._file_path(), self._new_handle()
        flags = self._chance.choice(_OPEN_FLAGS)
        if path is None or number is None:
            return

        def verb(side: Side) -> None:
            side.handles[number] = side.session.open(side.node(path), flags)

        self._both(verb)
        self._opened[number] = _Opened(flags, self._model.node(path))

    def _new_handle(self) -> int | None:
        self._made += 1
        return self._made if len(self._model.handles) < _HANDLES_MAX else None

    def _write(self) -> None:
        number, data = self._handle(), self._data()
        offset = self._chance.choice(_SIZES)
        if number is None:
            self._create()
            return
        self._both(
            lambda side: side.session.write(side.handles[number], offset, data),
            lambda: self._write_model(number, offset, data),
        )
        # An empty write has nothing to make durable: the kernel does not even pass it on.
        if data and self._opened[number].flags & os.O_DSYNC:
            self.acknowledge()

    def _write_model(self, number: int, offset: int, data: bytes) -> None:
        session, handle = self._model.session, self._model.handles[number]
        if not self._kernel_splits_writes:
            session.write(handle, offset, data)
            return
        # Page by page, each a state of its own.
        if self._opened[number].flags & os.O_APPEND:
            offset = session.getattr(self._opened[number].node).size
        while data:
            length = min(len(data), _PAGE_BYTES - offset % _PAGE_BYTES)
            session.write(handle, offset, data[:length])
            self.remember()
            offset, data = offset + length, data[length:]

    def _release(self) -> None:
        number = self._handle()
        if number is not None:
            self._both(lambda side: side.session.release(side.handles.pop(number)))

    def _fsync(self) -> None:
        number, data_only = self._handle(), self._chance.random() < 0.5
        if number is None:
            self._fsyncdir()
            return
        self._both(lambda side: side.session.fsync(side.handles[number], data_only))
        self.acknowledge()

    def write_small(self) -> None:
        """What may be kept as a delta."""
        number = self._handle()
        if number is None:
            return
        size = self._model.session.getattr(self._opened[number].node).size
        offset, data = self._chance.randint(0, size), bytes(self._chance.choices(range(256), k=90))
        self._both(
            lambda side: side.session.write(side.handles[number], offset, data),
            lambda: self._write_model(number, offset, data),
        )
        if self._opened[number].flags & os.O_DSYNC or self._chance.random() < 0.5:
            self._both(lambda side: side.session.fsync(side.handles[number]))
            self.acknowledge()

    # --- names ---

    def _mkdir(self) -> None:
        at, name = self._directory(), self._name()
        if at.count(b"/") < _DIRECTORY_DEPTH_MAX:
            self._both(lambda side: side.session.mkdir(side.node(at), name, 0o755, CALLER))

    def _rmdir(self) -> None:
        at, name = self._directory(), self._name()
        self._both(lambda side: side.session.rmdir(side.node(at), name))

    def _symlink(self) -> None:
        at, name, target = self._directory(), self._name(), b"../" + self._name()
        self._both(lambda side: side.session.symlink(side.node(at), name, target, CALLER))

    def _link(self) -> None:
        path, at, name = self._file_path(), self._directory(), self._name()
        if path is not None:
            self._both(lambda side: side.session.link(side.node(path), side.node(at), name))

    def _unlink(self) -> None:
        path = self._any()
        if path is not None:
            at, _, name = path.rpartition(b"/")
            self._both(lambda side: side.session.unlink(side.node(at), name))

    def _rename(self) -> None:
        path, to, new_name = self._any(), self._directory(), self._name()
        if path is not None:
            at, _, name = path.rpartition(b"/")
            self._both(
                lambda side: side.session.rename(side.node(at), name, side.node(to), new_name)
            )

    def _fsyncdir(self) -> None:
        path = self._directory()
        self._both(lambda side: side.session.fsyncdir(side.node(path)))
        self.acknowledge()

    # --- attributes ---

    def _truncate(self) -> None:
        path, changes = self._file_path(), AttributeChanges(size=self._chance.choice(_SIZES))
        if path is not None:
            self._both(lambda side: side.session.setattr(side.node(path), changes))

    def _chmod(self) -> None:
        path, chance = self._any(_is_no_symlink), self._chance
        changes = AttributeChanges(mode=chance.randrange(0o1000))
        if path is not None:
            self._both(lambda side: side.session.setattr(side.node(path), changes))

    def _setxattr(self) -> None:
        path, name, value = (
            self._any(_is_no_symlink),
            self._chance.choice(_XATTRS),
            self._data()[:600],
        )
        if path is not None:
            self._both(
                lambda side: side.session.setxattr(side.node(path), name, value, XattrFlag.NONE)
            )

    def _removexattr(self) -> None:
        path, name = self._any(_is_no_symlink), self._chance.choice(_XATTRS)
        if path is not None:
            self._both(lambda side: side.session.removexattr(side.node(path), name))


def _error_of(verb: Callable[[], object]) -> int | None:
    try:
        verb()
    except OSError as error:
        return error.errno
    return None


def _is_no_symlink(there: Attributes) -> bool:
    # The kernel lets nobody change the mode or the xattrs of one.
    return not there.is_symlink
