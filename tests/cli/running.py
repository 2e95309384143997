"""Running ``sqlfs``, with or without a terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "sqlfs.cli"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}

# How long a condition may take to come true on a slow machine; nothing waits for it to pass.
DEADLINE_S = 60.0

Word = str | bytes | Path


@dataclass(frozen=True)
class Outcome:
    """What a command said, and its exit code."""

    code: int
    output: bytes
    errors: str

    @property
    def text(self) -> str:
        return self.output.decode("utf-8", "surrogateescape")

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def json(self) -> Any:
        return json.loads(self.output)


def sqlfs(
    *words: Word,
    given: bytes = b"",
    environment: Mapping[str, str] | None = None,
    **settings: Any,
) -> Outcome:
    """Run the command without a terminal; `given` is its standard input."""
    done = subprocess.run(
        [*COMMAND, *words],
        input=given,
        capture_output=True,
        env={**ENVIRONMENT, **(environment or {})},
        start_new_session=True,
        timeout=DEADLINE_S,
        **settings,
    )
    errors = done.stderr.decode()
    assert "Traceback" not in errors, errors
    assert "unexpected" not in errors, errors
    return Outcome(done.returncode, done.stdout, errors)


def succeed(*words: Word, **settings: Any) -> Outcome:
    """The command must succeed, and have nothing to complain about."""
    outcome = sqlfs(*words, **settings)
    assert (outcome.code, outcome.errors) == (0, "")
    return outcome


def fail(*words: Word, code: int, says: str, **settings: Any) -> Outcome:
    """The command must fail with `code` and one line that matches the pattern `says`."""
    outcome = sqlfs(*words, **settings)
    assert outcome.code == code, outcome
    assert re.fullmatch(rf"sqlfs: [^\n]*(?:{says})[^\n]*\n", outcome.errors), outcome.errors
    return outcome


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE_S} s: {what}"
        time.sleep(0.01)


def at_terminal(
    *words: Word, answers: Sequence[tuple[str, str]] = (), command: Sequence[str] = COMMAND
) -> Outcome:
    """Run the command at a terminal of its own; its output is all that the terminal shows.

    Each of `answers` is a prompt to wait for, and what is then typed.
    """
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*command, *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**ENVIRONMENT, "TERM": "xterm", "COLUMNS": "200"},
        start_new_session=True,
        preexec_fn=_take_terminal,
    )
    os.close(theirs)
    try:
        shown = bytearray()
        seen = 0
        for prompt, typed in answers:
            while (found := shown.find(prompt.encode(), seen)) < 0:
                assert _show(ours, shown), f"no {prompt!r} in {bytes(shown)!r}"
            seen = found + len(prompt)
            os.write(ours, typed.encode() + b"\n")
        while _show(ours, shown):
            pass
        return Outcome(process.wait(DEADLINE_S), bytes(shown), "")
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _show(terminal: int, shown: bytearray) -> bool:
    """Read what comes next; False at the end."""
    assert select.select([terminal], [], [], DEADLINE_S)[0], bytes(shown)
    try:
        piece = os.read(terminal, 65536)
    except OSError:  # EIO: nobody has the other end open any more
        return False
    shown += piece
    return bool(piece)
