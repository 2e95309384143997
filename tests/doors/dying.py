"""`python -m tests.doors.dying FILE VERB STEP`: own FILE, and die at a step of the first VERB that
a client asks for.

Steps: ``before`` it is done, when it is ``applied`` but not committed, when it is ``committed`` but
not answered, when it is ``answered`` but not committed.  Nothing is committed but what a step, or a
client by fsync, asks for.  Prints READY when others can connect.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

import sqlfs
from sqlfs.owner.client import Client
from sqlfs.owner.served import Served
from sqlfs.owner.verbs import CHANGING_VERBS
from sqlfs.volume.committer import Committer

_change, _answer, _reply = Served.change, Client._answer, Client._reply


def die() -> None:
    os._exit(9)


def main() -> None:
    path, verb, step = sys.argv[1:]
    is_done = threading.Event()

    def change(self: Served, number: int, perform: Callable[..., object], *args: object) -> object:
        if perform.__name__ != verb:
            return _change(self, number, perform, *args)
        if step == "before":
            die()
        result = _change(self, number, perform, *args)
        if step == "applied":
            die()
        if step == "committed":
            self.session._host.db.commit()
            die()
        is_done.set()
        return result

    def reply(self: Client, message: list[object]) -> None:
        _reply(self, message)
        if is_done.is_set():
            die()

    def answer(self: Client, request: list[object]) -> None:
        if is_done.is_set():
            threading.Event().wait()  # nothing any more
        if request[1:2] == [verb] and verb not in CHANGING_VERBS:
            is_done.set()
        _answer(self, request)

    with sqlfs.open(path) as store:
        assert store.is_owner
        Served.change = change  # type: ignore[method-assign]
        Client._reply = reply  # type: ignore[method-assign, assignment]
        Client._answer = answer  # type: ignore[method-assign]
        Committer._commit_if_due = lambda _: None  # type: ignore[method-assign, misc]
        # The first one comes with the first commit, and brings another.
        Committer._checkpoint_if_due = lambda *_: None  # type: ignore[method-assign]
        print("READY", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
