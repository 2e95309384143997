"""Walking a tree of any depth: each node before what is below it, directories also after."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Node = TypeVar("Node")


def descend(
    root: Node,
    enter: Callable[[Node], Iterable[Node] | None],
    leave: Callable[[Node], None] = lambda _: None,
) -> None:
    """Call `enter` for `root` and everything below, which `enter` returns; None ends a branch.

    `leave` is called for what had something below it, even if nothing, when all that was
    entered.
    """
    branches: list[tuple[Node, Iterator[Node]]] = []
    found: Node | None = root
    while True:
        if found is not None:
            below = enter(found)
            if below is not None:
                branches.append((found, iter(below)))
        if not branches:
            return
        at, rest = branches[-1]
        found = next(rest, None)
        if found is None:
            branches.pop()
            leave(at)
