"""What a client may ask of an owner: one table, derived from the signatures of two protocols.

Client and server both work from it, so they can't drift apart.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, get_type_hints

from sqlfs.crypto import KdfParameters, KeySlot
from sqlfs.maintenance import CheckProgress, Finding, ScrubStatus
from sqlfs.owner.codec import Codec, codec_of
from sqlfs.owner.frames import Malformed
from sqlfs.types import Change, HeldHandle, MountInfo, Quota, VolumeInfo, VolumeUsage
from sqlfs.volume.session import Session

PROTOCOL: Final = "sqlfs"
PROTOCOL_VERSION: Final = 2

# The sequence number of what answers no request: the owner's greeting, and its goodbye, which says
# that it closed the file in good order.
OUTSIDE: Final = 0

# Bounds of one answer; whoever wants more asks again.
READDIR_ENTRIES_MAX: Final = 1024
# Bounds of one presentation.
HANDLES_MAX: Final = 1024
PINS_MAX: Final = 8192
# So few that they fit into a socket's buffer: telling does not wait for a client that is hung.
CHANGES_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Greeting:
    """The owner's answer to a client's first message."""

    device: int  # st_dev and st_ino of the volume file
    inode: int
    read_only: bool


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """What a session is to be."""

    volume: str
    kek: bytes | None = field(repr=False)
    read_only: bool
    door: str
    where: str
    atime: bool
    subdir: bytes
    claim: int = 0  # the id of the session, under an earlier owner, that it goes on from; 0: none
    root: int = 0  # the node that was its root; 0: the one at `subdir` is to be


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """What a client learns of a session that it opened."""

    volume: VolumeInfo
    root: int
    read_only: bool
    token: bytes = field(repr=False)  # shown by its other connections
    id: int  # 0 for one that only reads
    found_applied: int  # of the session that it goes on from, the last verb that is stored


class Control(Protocol):
    """The verbs on the file as a whole."""

    def volumes(self) -> list[VolumeInfo]: ...

    def create_volume(
        self,
        name: str,
        passphrase: bytes | None,
        chunk_size: int,
        dedupe: bool,
        compression: int,
        kdf: KdfParameters | None,
    ) -> VolumeInfo: ...

    def slots(self, volume: str) -> list[tuple[int, KeySlot]]: ...

    def usage(self, volume: str) -> VolumeUsage: ...

    def quota(self, volume: str) -> Quota: ...

    def set_quota(self, volume: str, quota: Quota) -> None: ...

    def mounts(self) -> list[MountInfo]: ...

    def info(self) -> dict[str, object]: ...

    def checkpoint(self) -> None: ...

    def check(self, deep: bool) -> list[Finding]: ...

    def check_progress(self) -> CheckProgress: ...

    def scrub_start(self, rate: int) -> ScrubStatus: ...

    def scrub_stop(self) -> ScrubStatus: ...

    def scrub_status(self) -> ScrubStatus: ...

    def unmount(self, mountpoints: list[str]) -> bool:
        """End the mount at one of `mountpoints` (the same one, spelt differently).  True if it is
        the owner's: its goodbye tells when the file is whole.  False if it is a client's: then it
        is whole when `mounts` lists that mount no longer."""

    def open_image(self) -> int:
        """Its size in bytes.  It is this connection's, and ends with it."""

    def read_image(self) -> bytes:
        """The next piece; empty at the end."""

    def open_session(self, request: SessionRequest) -> OpenedSession:
        """From here on the connection speaks for this session, and it ends with the connection."""

    def join(self, token: bytes) -> None:
        """From here on this connection speaks for the session, too, and it ends with this one."""

    def present(self, handles: list[HeldHandle], pins: list[int], is_last: bool) -> list[int]:
        """Open, lock and pin again what the session held under an earlier owner.  Returns a new
        handle for each; 0 where the node, or the lock, is gone."""

    def listen(self, token: bytes) -> None:
        """From here on the owner sends what other sessions changed, and waits for a word that
        it was heard."""


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb's name and the codecs of what it takes and gives."""

    name: str
    signature: inspect.Signature
    parameters: tuple[Codec, ...]
    result: Codec

    @classmethod
    def of(cls, function: Callable[..., object]) -> Verb:
        """Derived from the annotations of a protocol's method."""
        hints = get_type_hints(function)
        signature = inspect.signature(function)
        signature = signature.replace(parameters=list(signature.parameters.values())[1:])
        parameters = tuple(codec_of(hints[name]) for name in signature.parameters)
        return cls(function.__name__, signature, parameters, codec_of(hints["return"]))

    def arguments(self, args: Sequence[Any], kwargs: Mapping[str, object]) -> Sequence[Any]:
        """All of them, by position."""
        if not kwargs and len(args) == len(self.parameters):
            return args
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return tuple(bound.arguments.values())

    def encode(self, args: Sequence[object], kwargs: Mapping[str, object]) -> list[object]:
        arguments = self.arguments(args, kwargs)
        return [codec.encode(arg) for codec, arg in zip(self.parameters, arguments, strict=True)]

    def decode(self, args: object) -> list[Any]:
        if type(args) is not list or len(args) != len(self.parameters):
            raise Malformed(f"{self.name} takes {len(self.parameters)} arguments")
        return [codec.decode(arg) for codec, arg in zip(self.parameters, args, strict=True)]


def methods(protocol: type) -> dict[str, Callable[..., object]]:
    """The public methods of a protocol, properties left out."""
    return {
        name: member
        for name, member in vars(protocol).items()
        if inspect.isfunction(member) and not name.startswith("_")
    }


# A client answers these itself: changes come on a connection of their own, and the owner's
# thread that serves it may wait instead of it.
LOCAL_VERBS: Final = frozenset(
    {"subscribe", "congested", "wait_uncongested", "catching_up", "wait_caught_up"}
)

SESSION_VERBS: Final[Mapping[str, Verb]] = {
    name: Verb.of(method) for name, method in methods(Session).items() if name not in LOCAL_VERBS
}
CONTROL_VERBS: Final[Mapping[str, Verb]] = {
    name: Verb.of(method) for name, method in methods(Control).items()
}
# Those that change the volume: open does with O_TRUNC.
CHANGING_VERBS: Final = frozenset(
    {
        "mknod", "mkdir", "symlink", "link", "unlink", "rmdir", "rename", "clone", "setattr",
        "setxattr", "removexattr", "create", "tmpfile", "open", "write", "allocate", "copy_range",
    }
)  # fmt: skip
STEPWISE_VERBS: Final = frozenset({"copy_range"})
# Those that wait for the disk.
DURABLE_VERBS: Final = frozenset({"fsync", "fsyncdir", "sync"})
assert SESSION_VERBS.keys() >= CHANGING_VERBS | DURABLE_VERBS
assert CHANGING_VERBS >= STEPWISE_VERBS

CHANGES: Final = codec_of(list[Change])
GREETING: Final = codec_of(Greeting)
