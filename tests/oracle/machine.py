"""Random steps on both sides of a pair: what all machines share."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.acceptance.volumes import SOAK
from tests.oracle.pair import REMOUNT, Pair, shown
from tests.oracle.replay import fewest, tick
from tests.oracle.state import HANDLE

STEPS_MAX = 40

# A remount takes as long as a thousand steps.
_REMOUNT_ONCE_IN = 12


HANDLES = st.integers(0, 31)  # of those that are open


class BesideMachine(RuleBasedStateMachine):
    """Does to a mount and to a real directory the same, and expects the same."""

    def __init__(self, pair: Pair) -> None:
        super().__init__()
        self._pair = pair
        self.example = pair.example()
        self._numbers = 0

    def both(self, verb: str, *arguments: object) -> object:
        """Take a step on both sides; its result, which is the same on both."""
        mount, oracle = self.example.take((verb, arguments))
        self._expect([] if mount == oracle else [f"{verb}: {shown(mount)} for {shown(oracle)}"])
        return mount

    def _expect(self, differences: list[str]) -> None:
        if differences and self._pair.failed is None:
            self._pair.failed = list(self.example.steps)
        assert not differences, "the mount, for what is beside it:\n" + "\n".join(differences)

    def path(self, pick: str | int) -> str:
        """A path that is `pick`, or the one of that number among all that are there now."""
        if isinstance(pick, str):
            return pick
        there = [
            path for path in self.example.state.shown if path != "." and not path.startswith(HANDLE)
        ]
        return there[pick % len(there)] if there else "a"

    def open_handle(self, pick: int) -> int:
        """A handle that is open, if any is."""
        return chosen(pick, self.example.mount.descriptors)

    def opened(self, verb: str, *arguments: object) -> int:
        """Take a step that opens or maps; the number of the new handle or map."""
        self._numbers += 1
        self.both(verb, self._numbers, *arguments)
        return self._numbers

    @invariant()
    def alike(self) -> None:
        self._expect(self.example.differences())
        tick()

    @rule(handle=HANDLES)
    def close(self, handle: int) -> None:
        self.both("close", self.open_handle(handle))

    @rule(handle=HANDLES)
    def dup(self, handle: int) -> None:
        self.opened("dup", self.open_handle(handle))

    @rule(handle=HANDLES, data_only=st.booleans())
    def fsync(self, handle: int, data_only: bool) -> None:
        self.both("fsync", self.open_handle(handle), data_only)

    @rule(chance=st.integers(1, _REMOUNT_ONCE_IN))
    def remount(self, chance: int) -> None:
        if chance == _REMOUNT_ONCE_IN:
            self.example.steps.append(REMOUNT)
            self._pair.remount()

    def teardown(self) -> None:
        self.example.close()


def chosen(pick: int, numbers: Iterable[int]) -> int:
    """The one that `pick` points at; 0, which is none, if there are none."""
    there = sorted(numbers)
    return there[pick % len(there)] if there else 0


def run(machine: Callable[[Pair], BesideMachine], pair: Pair, examples: int) -> None:
    """So many runs of up to STEPS_MAX steps, the same ones each time; for a soak more, and
    others each time.  A failure prints the fewest steps that show it."""
    try:
        run_state_machine_as_test(
            lambda: machine(pair),  # type: ignore[arg-type]
            settings=settings(
                max_examples=examples * SOAK,
                stateful_step_count=STEPS_MAX,
                deadline=None,
                database=None,
                derandomize=SOAK == 1,
                print_blob=True,
                # Dropping steps from what was really done is faster, and easier to read.
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
    except Exception as error:
        if pair.failed is not None:
            error.add_note("the fewest steps:\n" + "\n".join(fewest(pair, pair.failed)))
        raise
    pair.finish()
