"""What a client changed and does not yet know to be committed: it dies with its owner."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable


class Unsettled:
    """Nodes with the number of the last verb that changed them.  Not thread-safe."""

    def __init__(self) -> None:
        self._numbers: OrderedDict[int, int] = OrderedDict()  # by node, numbers in order

    def note(self, number: int, nodes: Iterable[int]) -> None:
        """Verb `number`, greater than all before it, changed `nodes`."""
        for node in nodes:
            self._numbers[node] = number
            self._numbers.move_to_end(node)

    def settle(self, upto: int) -> None:
        """All verbs up to the number `upto` are committed."""
        while self._numbers:
            node, number = next(iter(self._numbers.items()))
            if number > upto:
                return
            del self._numbers[node]

    def lose_after(self, applied: int) -> set[int]:
        """The nodes that lost something, where `applied` is the last verb that is stored.  Nothing
        is unsettled any more."""
        lost = {node for node, number in self._numbers.items() if number > applied}
        self._numbers.clear()
        return lost
