"""``python -m conformance.posix DIR [FILE...] [pytest options]``."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
USAGE = """\
usage: python -m conformance.posix DIR [FILE...] [--may-lack NAME[,NAME...]] [pytest options]
  DIR   the directory to judge; everything happens in a new one below it, which goes afterwards
  FILE  files of the suite, such as test_rename.py, or parts of them; default: all"""


def run(arguments: list[str]) -> int:
    """Run the suite; returns pytest's exit code, or 4 when the command line makes no sense."""
    named = list(itertools.takewhile(lambda it: not it.startswith("-"), arguments))
    if not named:
        print(USAGE, file=sys.stderr)
        return pytest.ExitCode.USAGE_ERROR
    directory = Path(named[0])
    if not directory.is_dir():
        print(f"{directory} is not a directory: name one to test in", file=sys.stderr)
        return pytest.ExitCode.USAGE_ERROR
    files = [str(HERE / it) for it in named[1:]] or [str(HERE)]
    where = [f"--config-file={HERE / 'pytest.ini'}", f"--directory={directory.absolute()}"]
    return pytest.main([*where, *files, *arguments[len(named) :]])


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
