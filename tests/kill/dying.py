"""``python -m tests.kill.dying STEP COUNT_FILE WORDS...``: a command of sqlfs that is killed.

It dies of SIGKILL at its step number STEP of making something durable or taking room for it; with
0 it lives, and leaves in COUNT_FILE how many steps there were.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sqlfs.cli.main import main
from sqlfs.store.io import DataSyncer

STEPS: Final = ("sync", "sync_folder", "allocate", "write")

_taken = 0


def _step(at: int) -> None:
    global _taken
    _taken += 1
    if _taken == at:
        os.kill(os.getpid(), signal.SIGKILL)


def _dying(verb: Callable[..., None], at: int) -> Callable[..., None]:
    """Before and after each call."""

    def call(*arguments: Any) -> None:
        _step(at)
        verb(*arguments)
        _step(at)

    return call


if __name__ == "__main__":
    for name in STEPS:
        setattr(DataSyncer, name, _dying(getattr(DataSyncer, name), int(sys.argv[1])))
    code = main(sys.argv[3:])
    Path(sys.argv[2]).write_text(str(_taken))
    sys.exit(code)
