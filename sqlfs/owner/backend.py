"""What stands behind a store at a time: the open file itself, or the process that has it open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from sqlfs.crypto import KdfParameters, KeySlot
from sqlfs.maintenance import Finding, ImageReader, Progress, ScrubStatus
from sqlfs.owner.verbs import SessionRequest
from sqlfs.types import HeldHandle, MountInfo, Quota, VolumeInfo, VolumeUsage
from sqlfs.volume.session import Session

EndRequest = Callable[[], None]


class Link(Session, Protocol):
    """A session under one owner."""

    @property
    def id(self) -> int:
        """Under which a session under the next owner may go on from this one; 0: none."""

    @property
    def found_applied(self) -> int:
        """Of the session that this one goes on from, the last verb that is stored."""

    @property
    def settled(self) -> int:
        """The number of a changing verb that is committed, as are those before it."""

    def present(self, handles: Sequence[HeldHandle], pins: Sequence[int]) -> list[int]:
        """Open, lock and pin again what a session held under an earlier owner.  Returns a new
        handle for each; 0 where the node, or the lock, is gone."""

    def presented(self) -> None:
        """All that the session held was presented."""


class Backend(Protocol):
    """The verbs on the file as a whole; those of a client raise ConnectionLost when the owner is
    gone."""

    @property
    def path(self) -> Path: ...

    @property
    def is_owner(self) -> bool: ...

    @property
    def owner_pid(self) -> int: ...

    @property
    def identity(self) -> tuple[int, int]:
        """st_dev and st_ino of the file."""

    @property
    def read_only(self) -> bool: ...

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

    def check(self, deep: bool, progress: Progress | None) -> list[Finding]: ...

    def scrub_start(self, rate: int) -> ScrubStatus: ...

    def scrub_stop(self) -> ScrubStatus: ...

    def scrub_status(self) -> ScrubStatus: ...

    def image(self) -> ImageReader: ...

    def unmount(self, mountpoints: list[str]) -> bool:
        """End the mount at one of `mountpoints` (the same one, spelt differently).  True if it is
        the owner's; then a client returns when the file is whole, the owner when its driver was
        told.  False if it is a client's, which was told."""

    def on_unmount_request(self, callback: EndRequest) -> None: ...

    def session(self, request: SessionRequest, end_request: EndRequest) -> Link:
        """`end_request` is called when somebody asks for the end of this client's mount."""

    def close(self) -> None:
        """End, in good order if the owner lives.  Idempotent."""
