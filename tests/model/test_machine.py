"""Random verbs on the model and on each implementation, compared after every step.

A failure prints the shortest sequence of steps that shows it.  More than the usual
runs: SQLFS_MODEL_EXAMPLES=1000 python -m pytest tests/model
"""

from __future__ import annotations

import os
import random
import stat
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sqlfs.types import AllocateMode, AttributeChanges, Caller, RenameFlag, XattrFlag
from sqlfs.volume.session import Session
from tests.contract import acl_values
from tests.contract.nodes import copy_all
from tests.model.comparison import DOORS, Comparison, Side

DEEPER = os.environ.get("SQLFS_MODEL_EXAMPLES")


def runs(examples: int) -> settings:
    """So many runs, the same ones each time; or as many others as the environment asks for."""
    return settings(
        max_examples=int(DEEPER or examples),
        stateful_step_count=40,
        deadline=None,
        database=None,
        derandomize=DEEPER is None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


# Few, so that verbs often meet what others made.
NAMES = st.sampled_from([b"a", b"b", b"c", b"\xff", b"n" * 255, b"n" * 256])
DOOR = st.integers(0, DOORS - 1)
PICK = st.integers(0, 2**16)  # of the nodes or handles that are there
ODD = 16  # one pick in so many is of anything that is or was there

ME = Caller(1000, 1001)
CALLERS = st.sampled_from([ME, Caller(1000, 1001, umask=0o027)])
MODES = st.sampled_from([0o600, 0o666, 0o777])
KINDS = st.sampled_from([stat.S_IFREG, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFBLK])
TARGETS = st.sampled_from([b"a", b"../b", b"/a/b", b"t" * 4095, b""])
RENAMES = st.sampled_from(
    [
        RenameFlag.NONE,
        RenameFlag.NONE,
        RenameFlag.NOREPLACE,
        RenameFlag.EXCHANGE,
        RenameFlag.WHITEOUT,
        RenameFlag.WHITEOUT | RenameFlag.NOREPLACE,
    ]
)
OPEN_FLAGS = st.sampled_from(
    [
        os.O_RDWR,
        os.O_RDONLY,
        os.O_WRONLY,
        os.O_RDWR | os.O_APPEND,
        os.O_RDWR | os.O_TRUNC,
        os.O_WRONLY | os.O_DSYNC,
    ]
)

MODES_OF_ALLOCATE = st.sampled_from([0, 1, 3, 16, 17, 2, 8])

# Around the ends of chunks (4 KiB), of the first manifest (128 chunks), and far away.
EDGES = [0, 1, 2048, 2049, 4095, 4096, 4097, 8192, 524_287, 524_288, 528_385, 2**40 - 1, 2**40]
OFFSETS = st.sampled_from(EDGES) | st.integers(0, 30_000)
LENGTHS = st.sampled_from([0, 1, 511, 4096, 4097, 12_289]) | st.integers(0, 13_000)
SEEDS = st.integers(0, 3)  # few, so that equal chunks are common
WRITES = st.lists(st.tuples(OFFSETS, LENGTHS, SEEDS), min_size=1, max_size=5)

XATTR_NAMES = st.sampled_from([b"user.a", b"user.b", b"trusted.a", b"system.a", b"user."])
XATTR_VALUES = st.sampled_from([b"", b"value", b"v" * 5000])
XATTR_FLAGS = st.sampled_from([XattrFlag.NONE, XattrFlag.CREATE, XattrFlag.REPLACE])
ACL_NAMES = st.sampled_from([acl_values.ACCESS, acl_values.DEFAULT, acl_values.DEFAULT])
ACLS = st.sampled_from(
    [
        acl_values.MINIMAL,
        acl_values.NAMED,
        acl_values.MASKED,
        acl_values.MANY,
        acl_values.UNSOUND["no mask for a user"],
        acl_values.UNSOUND["nobody"],
        acl_values.UNSOUND["permissions"],
        b"",
    ]
)
TIMES = st.none() | st.integers(0, 10**9)


def data_of(seed: int, length: int) -> bytes:
    return random.Random(seed).randbytes(length) if seed else bytes(length)


class VolumeMachine(RuleBasedStateMachine):
    """All verbs.  Subclasses say of which implementation."""

    implementation: str

    def __init__(self) -> None:
        super().__init__()
        self._directory = tempfile.TemporaryDirectory(prefix="sqlfs-model-")
        self._both = Comparison(self.implementation, Path(self._directory.name))

    @initialize()
    def plant(self) -> None:
        """Directories to work in from the start, and an open file."""
        root = self._both.root
        self._both.make(0, lambda s, on: s.mkdir(on.node(root), b"a", 0o755, ME))
        self._both.make(1, lambda s, on: s.mkdir(on.node(root), b"b", 0o755, ME))
        self._open_some()

    def _open_some(self) -> None:
        """For the verbs that need a handle: there is always one that is or was open."""
        root, files = self._both.root, self._both.files()
        door = len(self._both.known) % DOORS
        if files:
            self._both.open(door, files[0], os.O_RDWR)
        else:
            name = b"new%d" % len(self._both.known)
            self._both.create(
                door, lambda s, on: s.create(on.node(root), name, 0o644, os.O_RDWR, ME)
            )

    def teardown(self) -> None:
        try:
            if not self._both.failed:
                self.reopen()
                self.same_tree()
        finally:
            self._both.close()
            self._directory.cleanup()

    @invariant()
    def same_tree(self) -> None:
        self._both.check_tree()

    def _any(self, pick: int) -> int:
        return self._both.known[pick % len(self._both.known)]

    def _directory_of(self, pick: int) -> int:
        """Mostly a directory that is there."""
        directories = self._both.directories()
        return self._any(pick) if pick % ODD == ODD - 1 else directories[pick % len(directories)]

    def _file(self, pick: int) -> int:
        """Mostly a regular file that is there."""
        files = self._both.files()
        return self._any(pick) if pick % ODD == ODD - 1 or not files else files[pick % len(files)]

    def _entry(self, pick: int, name: bytes) -> tuple[int, bytes]:
        """Mostly an entry that is there, as directory and name; else `name` anywhere."""
        entries = self._both.entries()
        if pick % ODD == ODD - 1 or not entries:
            return self._any(pick), name
        return entries[pick % len(entries)]

    # --- names ---

    @rule(door=DOOR, parent=PICK, name=NAMES, mode=MODES, caller=CALLERS)
    def mkdir(self, door: int, parent: int, name: bytes, mode: int, caller: Caller) -> None:
        at = self._directory_of(parent)
        self._both.make(door, lambda s, on: s.mkdir(on.node(at), name, mode, caller))

    @rule(door=DOOR, parent=PICK, name=NAMES, mode=MODES, kind=KINDS, caller=CALLERS)
    def mknod(
        self, door: int, parent: int, name: bytes, mode: int, kind: int, caller: Caller
    ) -> None:
        at = self._directory_of(parent)
        device = os.makedev(8, 70_000)
        self._both.make(door, lambda s, on: s.mknod(on.node(at), name, kind | mode, device, caller))

    @rule(door=DOOR, parent=PICK, name=NAMES, points_to=TARGETS, caller=CALLERS)
    def symlink(
        self, door: int, parent: int, name: bytes, points_to: bytes, caller: Caller
    ) -> None:
        at = self._directory_of(parent)
        self._both.make(door, lambda s, on: s.symlink(on.node(at), name, points_to, caller))

    @rule(door=DOOR, node=PICK, parent=PICK, name=NAMES)
    def link(self, door: int, node: int, parent: int, name: bytes) -> None:
        it, at = self._file(node), self._directory_of(parent)
        self._both.run(door, lambda s, on: s.link(on.node(it), on.node(at), name))

    @rule(door=DOOR, source=PICK, parent=PICK, name=NAMES)
    def clone(self, door: int, source: int, parent: int, name: bytes) -> None:
        it, at = self._file(source), self._directory_of(parent)
        self._both.make(door, lambda s, on: s.clone(on.node(it), on.node(at), name, ME))
        self._both.check_contents()

    @rule(door=DOOR, pick=PICK, name=NAMES)
    def unlink(self, door: int, pick: int, name: bytes) -> None:
        at, name = self._entry(pick, name)
        self._both.run(door, lambda s, on: s.unlink(on.node(at), name))

    @rule(door=DOOR, pick=PICK, name=NAMES)
    def rmdir(self, door: int, pick: int, name: bytes) -> None:
        at, name = self._entry(pick, name)
        self._both.run(door, lambda s, on: s.rmdir(on.node(at), name))

    @rule(door=DOOR, pick=PICK, name=NAMES, new_parent=PICK, new_name=NAMES, flags=RENAMES)
    def rename(
        self,
        door: int,
        pick: int,
        name: bytes,
        new_parent: int,
        new_name: bytes,
        flags: RenameFlag,
    ) -> None:
        (at, name), to = self._entry(pick, name), self._directory_of(new_parent)
        self._both.run(
            door, lambda s, on: s.rename(on.node(at), name, on.node(to), new_name, flags, ME)
        )
        if flags & RenameFlag.WHITEOUT:
            self._both.make(door, lambda s, on: s.lookup(on.node(at), name))

    @rule(door=DOOR, parts=st.lists(NAMES | st.sampled_from([b"..", b"."]), max_size=5))
    def resolve(self, door: int, parts: list[bytes]) -> None:
        path = b"/" + b"/".join(parts)
        self._both.run(door, lambda s, _: s.resolve(path, follow=True))
        self._both.run(door, lambda s, _: s.resolve(path, follow=False))

    # --- attributes ---

    @rule(
        door=DOOR,
        node=PICK,
        mode=st.none() | st.sampled_from([0, 0o644, 0o2775, 0o4711, 0o1777]),
        uid=st.none() | st.sampled_from([0, 7, 2**32 - 2]),
        gid=st.none() | st.sampled_from([0, 7, 2**32 - 2]),
        mtime=TIMES,
        ctime=TIMES,
    )
    def setattr(
        self,
        door: int,
        node: int,
        mode: int | None,
        uid: int | None,
        gid: int | None,
        mtime: int | None,
        ctime: int | None,
    ) -> None:
        changes = AttributeChanges(
            mode=mode, uid=uid, gid=gid, atime_ns=5, mtime_ns=mtime, ctime_ns=ctime
        )
        it = self._any(node)
        self._both.run(door, lambda s, on: s.setattr(on.node(it), changes))

    @rule(door=DOOR, node=PICK, size=OFFSETS, mtime=TIMES)
    def truncate(self, door: int, node: int, size: int, mtime: int | None) -> None:
        it = self._file(node)
        changes = AttributeChanges(size=size, mtime_ns=mtime)
        if self._both.run(door, lambda s, on: s.setattr(on.node(it), changes)) is not None:
            self._both.check_content(it)

    @rule(door=DOOR, node=PICK, name=XATTR_NAMES, value=XATTR_VALUES, flags=XATTR_FLAGS)
    def setxattr(self, door: int, node: int, name: bytes, value: bytes, flags: XattrFlag) -> None:
        it = self._file(node)
        self._both.run(door, lambda s, on: s.setxattr(on.node(it), name, value, flags))

    @rule(door=DOOR, node=PICK, name=XATTR_NAMES)
    def removexattr(self, door: int, node: int, name: bytes) -> None:
        it = self._file(node)
        self._both.run(door, lambda s, on: s.removexattr(on.node(it), name))

    @rule(door=DOOR, node=PICK, name=ACL_NAMES, value=ACLS)
    def set_acl(self, door: int, node: int, name: bytes, value: bytes) -> None:
        # Mostly of directories, which hand it down to what the other rules make.
        it = self._directory_of(node) if node % 3 else self._any(node)
        self._both.run(door, lambda s, on: s.setxattr(on.node(it), name, value))

    @rule(door=DOOR, node=PICK, name=ACL_NAMES)
    def remove_acl(self, door: int, node: int, name: bytes) -> None:
        it = self._any(node)
        self._both.run(door, lambda s, on: s.removexattr(on.node(it), name))

    # --- open files ---

    @rule(door=DOOR, parent=PICK, mode=MODES, excl=st.booleans(), caller=CALLERS)
    def tmpfile(self, door: int, parent: int, mode: int, excl: bool, caller: Caller) -> None:
        at, flags = self._directory_of(parent), os.O_RDWR | (os.O_EXCL if excl else 0)
        self._both.create(door, lambda s, on: s.tmpfile(on.node(at), mode, flags, caller))

    @rule(door=DOOR, pick=PICK, parent=PICK, name=NAMES)
    def link_opened(self, door: int, pick: int, parent: int, name: bytes) -> None:
        """The way to a first name."""
        (_, it, _), at = self._handle(pick), self._directory_of(parent)
        self._both.run(door, lambda s, on: s.link(on.node(it), on.node(at), name))

    @rule(door=DOOR, parent=PICK, name=NAMES, mode=MODES, caller=CALLERS)
    def create(self, door: int, parent: int, name: bytes, mode: int, caller: Caller) -> None:
        at = self._directory_of(parent)
        self._both.create(door, lambda s, on: s.create(on.node(at), name, mode, os.O_RDWR, caller))

    @rule(door=DOOR, node=PICK, flags=OPEN_FLAGS)
    def open(self, door: int, node: int, flags: int) -> None:
        self._both.open(door, self._file(node), flags)

    @rule(pick=PICK, writes=WRITES)
    def write(self, pick: int, writes: list[tuple[int, int, int]]) -> None:
        for offset, length, seed in writes:
            self._write(pick, offset, data_of(seed, length))
        self._both.check_content(self._handle(pick)[1])

    @rule(pick=PICK, start=OFFSETS, length=LENGTHS, pieces=st.integers(2, 12), sync=st.booleans())
    def write_on(self, pick: int, start: int, length: int, pieces: int, sync: bool) -> None:
        """One piece after the other, as programs mostly write."""
        for i in range(pieces):
            self._write(pick, start + i * length, data_of(i, length))
        if sync:
            self.fsync(pick, data_only=True)
        self._both.check_content(self._handle(pick)[1])

    def _write(self, pick: int, offset: int, data: bytes) -> None:
        handle, _, door = self._handle(pick)
        self._both.run(door, lambda s, on: s.write(on.handles[handle], offset, data))

    @rule(pick=PICK, offset=OFFSETS, length=LENGTHS)
    def read(self, pick: int, offset: int, length: int) -> None:
        handle, _, door = self._handle(pick)
        self._both.run(door, lambda s, on: s.read(on.handles[handle], offset, length))

    @rule(pick=PICK, mode=MODES_OF_ALLOCATE, offset=OFFSETS, length=LENGTHS)
    def allocate(self, pick: int, mode: int, offset: int, length: int) -> None:
        handle, node, door = self._handle(pick)
        self._both.run(door, lambda s, on: s.allocate(on.handles[handle], mode, offset, length))
        self._both.check_content(node)

    @rule(pick=PICK, offset=OFFSETS, length=OFFSETS)
    def punch(self, pick: int, offset: int, length: int) -> None:
        self.allocate(pick, AllocateMode.PUNCH_HOLE | AllocateMode.KEEP_SIZE, offset, length)

    @rule(pick=PICK, offset=OFFSETS, whence=st.sampled_from([os.SEEK_DATA, os.SEEK_HOLE]))
    def seek(self, pick: int, offset: int, whence: int) -> None:
        handle, _, door = self._handle(pick)
        self._both.run(door, lambda s, on: s.seek(on.handles[handle], offset, whence))

    @rule(pick=PICK, other=PICK, offset=OFFSETS, to=OFFSETS | st.none(), length=LENGTHS | OFFSETS)
    def copy_range(self, pick: int, other: int, offset: int, to: int | None, length: int) -> None:
        """From one place to another, or to the same one of another file."""
        source, source_node, door = self._handle(pick)
        same_door = [i for i, (_, its_door) in enumerate(self._both.opened) if its_door == door]
        target, node, _ = self._handle(same_door[other % len(same_door)])
        place = offset if to is None else to

        def copy(session: Session, on: Side) -> int:
            there = session.getattr(on.node(source_node)).size
            size = min(length, max(0, there - offset))
            return copy_all(session, on.handles[source], offset, on.handles[target], place, size)

        self._both.run(door, copy)
        self._both.check_content(node)

    @rule(pick=PICK, data_only=st.booleans())
    def fsync(self, pick: int, data_only: bool) -> None:
        handle, _, door = self._handle(pick)
        self._both.run(door, lambda s, on: s.fsync(on.handles[handle], data_only))

    @rule(pick=PICK)
    def release(self, pick: int) -> None:
        handle, _, door = self._handle(pick)
        self._both.run(door, lambda s, on: s.release(on.handles[handle]))

    @rule(pick=PICK, exclusive=st.booleans())
    def lock(self, pick: int, exclusive: bool) -> None:
        handle, _, door = self._handle(pick)
        self._both.run(door, lambda s, on: s.lock(on.handles[handle], exclusive))

    def _handle(self, pick: int) -> tuple[int, int, int]:
        """Index, node and door of a handle that is or was open since the volume was opened."""
        index = pick % len(self._both.opened)
        return index, *self._both.opened[index]

    # --- the whole ---

    @rule(door=DOOR, node=PICK)
    def pin(self, door: int, node: int) -> None:
        it = self._file(node)
        self._both.run(door, lambda s, on: s.pin(on.node(it)))

    @rule(door=DOOR, node=PICK)
    def unpin(self, door: int, node: int) -> None:
        it = self._file(node)
        self._both.run(door, lambda s, on: s.unpin(on.node(it)))

    @rule(door=DOOR)
    def sync(self, door: int) -> None:
        self._both.run(door, lambda s, _: s.sync())
        self._both.check_contents()

    @rule()
    def reopen(self) -> None:
        self._both.reopen()
        self._both.check_contents()
        self._open_some()


class PlainMachine(VolumeMachine):
    implementation = "direct"


class EncryptedMachine(VolumeMachine):
    implementation = "direct-encrypted"


class ClientMachine(VolumeMachine):
    implementation = "client"


TestPlain = PlainMachine.TestCase
TestPlain.settings = runs(100)

TestEncrypted = EncryptedMachine.TestCase
TestEncrypted.settings = runs(60)

TestClient = ClientMachine.TestCase
TestClient.settings = runs(20)
