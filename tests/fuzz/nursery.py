"""Mutants live and die here: each in a process of its own, forked from one that has all loaded.

Reads seeds, a line each; answers each with a line of JSON.  A mutant has so much memory and so much
time, and what it says on its way is kept.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from tests.cli.running import ENVIRONMENT, ROOT
from tests.fuzz import specimens
from tests.fuzz.judge import Verdict
from tests.fuzz.mutants import Mutant, make

MEMORY_BYTES_MAX: Final = 512 << 20
CPU_S_MAX: Final = 20
WALL_S_MAX: Final = 120


Judge = Callable[[Mutant], Verdict]


def try_out(
    seed: int, built: list[specimens.Specimen], folder: Path, judge: Judge
) -> dict[str, Any]:
    """The verdict on the mutant of `seed`, and how long it took (seconds) and the most memory it
    had (bytes)."""
    for left in folder.glob("*unmatched*"):
        left.unlink()
    mutant = make(seed, built)
    verdict_path, errors = folder / "verdict.json", folder / "errors.txt"
    verdict_path.unlink(missing_ok=True)
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with errors.open("wb", buffering=0) as stream:
                os.dup2(stream.fileno(), 2)
            _limit()
            verdict_path.write_text(json.dumps(asdict(judge(mutant))))
            code = 0
        finally:
            os._exit(code)
    _, status, usage = os.wait4(child, 0)
    if status == 0 and verdict_path.exists():
        result: dict[str, Any] = json.loads(verdict_path.read_text())
    else:
        died = f"died of status {status:#x}: {errors.read_text(errors='replace')[-4000:]}"
        result = asdict(Verdict(mutant.name, "died", [died]))
    return {
        "seed": seed, **result, "seconds": time.monotonic() - began,
        "bytes": usage.ru_maxrss * 1024,
    }  # fmt: skip


def _limit() -> None:
    faulthandler.enable()
    faulthandler.register(signal.SIGXCPU, all_threads=True, chain=True)
    faulthandler.dump_traceback_later(WALL_S_MAX, exit=True)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S_MAX, CPU_S_MAX + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def serve(folder: Path, judge: Judge) -> None:
    built = [specimens.build(kind, folder) for kind in specimens.KINDS]
    for line in sys.stdin:
        print(json.dumps(try_out(int(line), built, folder, judge)), flush=True)


@dataclass
class Nursery:
    """The other end: a process that tries mutants out in `folder`.  `judging` is the module whose
    function ``judge`` does."""

    process: subprocess.Popen[str]

    @classmethod
    def start(cls, folder: Path, judging: str = "tests.fuzz.judge") -> Self:
        return cls(
            subprocess.Popen(
                [sys.executable, "-m", "tests.fuzz.nursery", folder, judging],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT, cwd=ROOT,
            )
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.kill()
        self.process.wait()

    def verdicts(self, seeds: Iterable[int]) -> Iterator[dict[str, Any]]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        for seed in seeds:
            print(seed, file=self.process.stdin, flush=True)
            line = self.process.stdout.readline()
            assert line, f"the nursery died of seed {seed}"
            yield json.loads(line)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), importlib.import_module(sys.argv[2]).judge)
