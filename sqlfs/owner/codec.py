"""How values travel: every type's form on the wire, derived from the type itself.

A dataclass or named tuple travels as the list of its fields, a flag as its number, the rest as
msgpack has it.
Decoding checks every type, so that nothing but what a verb takes ever reaches a session.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable
from enum import IntEnum, IntFlag
from functools import cache
from operator import attrgetter
from typing import Any, Union, get_args, get_origin, get_type_hints

from sqlfs import errors
from sqlfs.errors import InputOutput, SqlfsError
from sqlfs.owner.frames import Malformed

_PLAIN = (int, bool, bytes, str, types.NoneType)


@dataclasses.dataclass(frozen=True, slots=True)
class Codec:
    """`encode` makes what msgpack carries; `decode` takes that back, or raises Malformed."""

    encode: Callable[[Any], object]
    decode: Callable[[Any], Any]


@cache
def codec_of(kind: Any) -> Codec:
    """The codec of a type annotation."""
    if kind is None or kind in _PLAIN:
        return _plain(types.NoneType if kind is None else kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        # A view travels as its bytes.
        (inner,) = set(arguments) - {types.NoneType, memoryview}
        codec = codec_of(inner)
        return _optional(codec) if types.NoneType in arguments else codec
    if origin is list:
        return _list(codec_of(arguments[0]))
    if origin is tuple:
        return _record(tuple, tuple(map(codec_of, arguments)), _itself)
    if origin is dict:
        return _plain(dict)
    if isinstance(kind, type) and (dataclasses.is_dataclass(kind) or issubclass(kind, tuple)):
        return _fields(kind)
    if issubclass(kind, IntFlag | IntEnum):
        return _number(kind)
    raise TypeError(f"no codec for {kind!r}")


def _plain(kind: type) -> Codec:
    def decode(value: object) -> object:
        if type(value) is not kind:
            raise Malformed(f"{type(value).__name__} where {kind.__name__} must be")
        return value

    return Codec(_itself, decode)


def _optional(inner: Codec) -> Codec:
    return Codec(
        lambda value: None if value is None else inner.encode(value),
        lambda value: None if value is None else inner.decode(value),
    )


def _list(inner: Codec) -> Codec:
    def decode(value: object) -> list[object]:
        if type(value) is not list:
            raise Malformed(f"{type(value).__name__} where list must be")
        return [inner.decode(item) for item in value]

    return Codec(lambda value: [inner.encode(item) for item in value], decode)


def _record(
    make: Callable[[list[object]], object],
    fields: tuple[Codec, ...],
    take: Callable[[Any], tuple[object, ...]],
) -> Codec:
    def encode(value: object) -> list[object]:
        return [field.encode(item) for field, item in zip(fields, take(value), strict=True)]

    def decode(value: object) -> object:
        if type(value) is not list or len(value) != len(fields):
            raise Malformed(f"no list of {len(fields)} where one must be")
        return make([field.decode(item) for field, item in zip(fields, value, strict=True)])

    return Codec(encode, decode)


def _fields(kind: type) -> Codec:
    hints = get_type_hints(kind)
    take: Callable[[Any], Any]
    if dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind)]
        take = attrgetter(*names)
    else:
        names, take = list(hints), _itself
    kinds = tuple(hints[name] for name in names)
    if not all(each in _PLAIN for each in kinds):
        return _record(lambda items: kind(*items), tuple(map(codec_of, kinds)), take)

    # Attributes go with nearly every answer: one comparison checks all their fields.
    def decode(value: object) -> object:
        if type(value) is not list or tuple(map(type, value)) != kinds:
            raise Malformed(f"no {kind.__name__} where one must be")
        return kind(*value)

    return Codec(take, decode)


def _itself(value: Any) -> Any:
    return value


def _number(kind: type[IntFlag] | type[IntEnum]) -> Codec:
    def decode(value: object) -> object:
        if type(value) is not int:
            raise Malformed(f"{type(value).__name__} where {kind.__name__} must be")
        try:
            return kind(value)
        except ValueError:
            raise Malformed(f"{value} is no {kind.__name__}") from None

    return Codec(int, decode)


# --- errors ---------------------------------------------------------------------------------


def encode_error(error: SqlfsError) -> list[object]:
    """Class name, errno and message.  A class of one module's own travels as the public one."""
    public = next(each for each in type(error).__mro__ if each.__module__ == errors.__name__)
    return [public.__name__, error.errno, error.message]


def decode_error(value: object) -> SqlfsError:
    """The same error again; one of a class unknown here becomes InputOutput.  Raises Malformed."""
    match value:
        case [str(name), int(number), str(message)]:
            kind = getattr(errors, name, None)
            if isinstance(kind, type) and issubclass(kind, SqlfsError):
                return kind(message, errno_=number)
            return InputOutput(message)
    raise Malformed("no error where one must be")
