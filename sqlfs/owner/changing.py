"""Verbs that change names and attributes: which nodes they touch, and how to tell their answer
when they are done but the owner died before it could answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlfs.owner.backend import Link


@dataclass(frozen=True, slots=True)
class Changing:
    """Of one verb; both take its arguments."""

    nodes: Callable[[Sequence[Any]], tuple[int, ...]]
    answer: Callable[[Link, Sequence[Any]], object]


def _made(link: Link, args: Sequence[Any]) -> object:
    return link.lookup(args[0], args[1])


def _placed(link: Link, args: Sequence[Any]) -> object:
    return link.lookup(args[1], args[2])


def _changed(link: Link, args: Sequence[Any]) -> object:
    return link.getattr(args[0])


def _done(link: Link, args: Sequence[Any]) -> object:
    del link, args
    return None


def _first(args: Sequence[Any]) -> tuple[int, ...]:
    return (args[0],)


CHANGING: Final[dict[str, Changing]] = {
    "mknod": Changing(_first, _made),
    "mkdir": Changing(_first, _made),
    "symlink": Changing(_first, _made),
    "link": Changing(lambda args: (args[0], args[1]), _placed),
    "clone": Changing(lambda args: (args[1],), _placed),
    "unlink": Changing(_first, _done),
    "rmdir": Changing(_first, _done),
    "rename": Changing(lambda args: (args[0], args[2]), _done),
    "setattr": Changing(_first, _changed),
    "setxattr": Changing(_first, _done),
    "removexattr": Changing(_first, _done),
}
