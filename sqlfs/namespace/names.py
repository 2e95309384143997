"""What may be a name, a symlink's target, an owner."""

from __future__ import annotations

from sqlfs.errors import Corrupt, Invalid, NameTooLong, NotFound
from sqlfs.limits import NAME_BYTES_MAX, SYMLINK_BYTES_MAX


def check_name(name: bytes) -> None:
    """Raises Invalid, NameTooLong."""
    if name in (b"", b".", b"..") or b"/" in name or b"\0" in name:
        raise Invalid(f"{name!r} cannot name an entry: give 1 to 255 bytes without / and NUL")
    check_name_length(name)


def check_stored_name(name: bytes) -> None:
    """What was read must be a name, too.  Raises Corrupt."""
    try:
        check_name(name)
    except (Invalid, NameTooLong) as error:
        raise Corrupt(f"a name that is none is stored: {error.message}") from None


def check_name_length(name: bytes) -> None:
    if len(name) > NAME_BYTES_MAX:
        raise NameTooLong(f"a name of {len(name)} bytes is over the limit of {NAME_BYTES_MAX}")


def check_owner(id_: int) -> None:
    """Whether a row can hold a uid or gid.  Raises Invalid."""
    if not 0 <= id_ < 2**32:
        raise Invalid(f"{id_} is no user or group")


def check_target(target: bytes) -> None:
    if not target:
        raise NotFound("a symlink needs a target")
    if b"\0" in target:
        raise Invalid("a symlink's target has no NUL")
    if len(target) > SYMLINK_BYTES_MAX:
        raise NameTooLong(f"a target of {len(target)} bytes is over {SYMLINK_BYTES_MAX}")
