"""`python -m tests.mount.model_mount DIR`: a volume in memory, mounted by the real driver.

Prints READY once the mount answers.  Serves until unmounted or told to end by a signal.  Each
line on standard input is obeyed and answered by DONE:

    create NAME TEXT     write NAME TEXT      truncate NAME SIZE
    rename NAME NEW      remove NAME          chmod NAME OCTAL
        what another session of the same volume does in the root directory
    hold, held N, go     let each fsync wait from now on; wait until N do; let them go on
    break VERB           the mounted session's verb fails unexpectedly from now on
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from pathlib import Path

from fuse_driver.kernel.attach import Attachment
from fuse_driver.loop import Mount, RequestEnd
from sqlfs.types import AttributeChanges, Caller
from tests.model.session import ModelSession
from tests.mount.mounting import DEADLINE_S


class MountedSession(ModelSession):
    """A model whose fsync waits while the test wants it to."""

    def __init__(self) -> None:
        super().__init__()
        self.state = threading.Condition()
        self.is_held = False
        self.waiting = 0

    def fsync(self, handle: int, data_only: bool = False) -> None:
        with self.state:
            self.waiting += 1
            self.state.notify_all()
            self.state.wait_for(lambda: not self.is_held)
            self.waiting -= 1
        super().fsync(handle, data_only)

    def hold(self, is_held: bool) -> None:
        with self.state:
            self.is_held = is_held
            self.state.notify_all()

    def wait_held(self, number: int) -> None:
        with self.state:
            if not self.state.wait_for(lambda: self.waiting == number, DEADLINE_S):
                raise TimeoutError(f"{self.waiting} wait, not {number}")

    def fail(self, *_: object) -> None:
        raise RuntimeError("broken by the test")


class OtherDoor:
    """Changes to the root directory, as another session makes them."""

    def __init__(self, mounted: MountedSession) -> None:
        self._mounted = mounted
        self._session = ModelSession(volume=mounted._state)

    def obey(self, line: str) -> None:
        match line.split():
            case ["hold" | "go" as verb]:
                self._mounted.hold(verb == "hold")
            case ["held", number]:
                self._mounted.wait_held(int(number))
            case ["break", verb]:
                setattr(self._mounted, verb, self._mounted.fail)
            case [verb, name, *value]:
                self._change(verb, os.fsencode(name), *value)

    def _change(self, verb: str, name: bytes, value: str = "") -> None:
        session, root = self._session, self._session.root
        match verb:
            case "create":
                _, handle = session.create(root, name, 0o644, os.O_RDWR, Caller(0, 0))
                session.write(handle, 0, value.encode())
                session.release(handle)
            case "write":
                handle = session.open(session.lookup(root, name).node, os.O_WRONLY)
                session.write(handle, 0, value.encode())
                session.release(handle)
            case "truncate":
                changes = AttributeChanges(size=int(value))
                session.setattr(session.lookup(root, name).node, changes)
            case "chmod":
                changes = AttributeChanges(mode=int(value, 8))
                session.setattr(session.lookup(root, name).node, changes)
            case "rename":
                session.rename(root, name, root, value.encode())
            case "remove":
                session.unlink(root, name)


def obey_input(door: OtherDoor) -> None:
    # Unbuffered: a thread inside a buffered reader would trip the interpreter's end.
    with open(0, "rb", buffering=0) as lines:
        for line in lines:
            try:
                door.obey(line.decode())
            except Exception as error:
                print(f"FAILED {error!r}", flush=True)
            else:
                print("DONE", flush=True)


def main() -> None:
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    session = MountedSession()

    def ready(request_end: RequestEnd) -> None:
        del request_end
        threading.Thread(target=obey_input, args=[OtherDoor(session)], daemon=True).start()
        print("READY", flush=True)

    attachment = Attachment("model", frozenset({"nodev", "nosuid"}), allow_other=True)
    Mount(session, Path(sys.argv[1]).absolute(), attachment).run(ready)


if __name__ == "__main__":
    main()
