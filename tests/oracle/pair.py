"""The two sides of a run: a mounted volume, and a real directory."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.acceptance.volumes import Volume
from tests.oracle.actor import Actor
from tests.oracle.state import LOOK, Observer, State, differences, untrue_room

# So many examples wait on both sides for a remount that all of them must survive.
_EXAMPLES_KEPT_MAX = 20


Step = tuple[str, tuple[object, ...]]  # a verb of Actor and its arguments

REMOUNT: Step = ("remount", ())


class Example:
    """A fresh directory on both sides, and the steps taken there."""

    def __init__(self, mount: Actor, oracle: Actor, *, directory_atimes: bool) -> None:
        self.mount = mount
        self.oracle = oracle
        self.steps: list[Step] = []
        self._observers = [
            Observer(side, directory_atimes=directory_atimes) for side in (mount, oracle)
        ]
        self.state = State({}, {}, {})

    def take(self, step: Step) -> tuple[object, object]:
        """What a step answers on the mount, and beside it."""
        self.steps.append(step)
        verb, arguments = step
        return self.mount.act(verb, *arguments), self.oracle.act(verb, *arguments)

    def differences(self) -> list[str]:
        """Wherein the sides differ now, and what the mount says of room that cannot be true;
        `state` is then what the mount shows."""
        self.state, oracle = (observer.look() for observer in self._observers)
        return [*differences(self.state, oracle), *untrue_room(self.mount, self.state)]

    def close(self) -> None:
        self.mount.close_all()
        self.oracle.close_all()


class Pair:
    def __init__(self, volume: Volume, oracle: Path) -> None:
        self.volume = volume
        self._oracle = oracle
        self._directory_atimes = _lists_without_trace(volume.directory)
        self._kept: list[Example] = []
        self._made = 0
        self._lost: list[str] = []
        # The steps of the first example that failed.
        self.failed: list[Step] | None = None

    def example(self) -> Example:
        if len(self._kept) == _EXAMPLES_KEPT_MAX:
            self._judge_kept()
        self._made += 1
        name = f"example-{self._made}"
        mount, oracle = Actor(self.volume / name), Actor(self._oracle / name)
        # It changes no answer, but ext4 wants aligned pieces for it, and an old tmpfs has none.
        oracle.flags_left_out = os.O_DIRECT
        example = Example(mount, oracle, directory_atimes=self._directory_atimes)
        self._kept.append(example)
        return example

    def remount(self) -> None:
        """With all handles of all examples closed."""
        for example in self._kept:
            example.close()
        self.volume.unmount()
        self.volume.start()

    def finish(self) -> None:
        """What each example left must be there after a remount."""
        self._judge_kept()
        assert not self._lost, "after a remount:\n" + "\n".join(self._lost)

    def _judge_kept(self) -> None:
        # Not raised here: in the midst of another example it would be blamed on that.
        self.remount()
        for example in self._kept:
            lines = example.differences()
            if lines:
                self._lost += [*lines, "having done", *map(shown, example.steps)]
            shutil.rmtree(example.mount.top)
            shutil.rmtree(example.oracle.top)
        self._kept.clear()


def shown(value: object) -> str:
    """`value` for people: long bytes are cut."""
    if isinstance(value, tuple):
        return f"({', '.join(map(shown, value))})"
    if isinstance(value, bytes) and len(value) > 16:
        return f"<{len(value)} bytes, {value[:4].hex()}...>"
    return repr(value)


@contextmanager
def oracle_directory(place: Path) -> Iterator[Path]:
    """A folder of a real file system that has all it takes: the memory's, or that of `place`."""
    wanted = os.environ.get("SQLFS_ORACLE")
    places = [Path(wanted)] if wanted else [Path("/dev/shm"), place]
    above = next(each for each in places if _keeps_xattrs(each))
    with tempfile.TemporaryDirectory(prefix="sqlfs-oracle-", dir=above) as directory:
        yield Path(directory)


def _keeps_xattrs(directory: Path) -> bool:
    """Kernels before 6.6 keep none on tmpfs."""
    try:
        with tempfile.NamedTemporaryFile(dir=directory) as trial:
            os.setxattr(trial.name, "user.trial", b"")
    except OSError:
        return False
    return True


def _lists_without_trace(directory: Path) -> bool:
    """Whether O_NOATIME counts for directories."""
    os.utime(directory, ns=(1, 1))
    descriptor = os.open(directory, LOOK | os.O_DIRECTORY)
    try:
        os.listdir(descriptor)
        return os.fstat(descriptor).st_atime_ns == 1
    finally:
        os.close(descriptor)
