"""``python -m conformance.posix DIR [pytest arguments]``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
USAGE = "usage: python -m conformance.posix DIR [--may-lack NAME[,NAME...]] [pytest arguments]"


def run(arguments: list[str]) -> int:
    """Run the suite; returns pytest's exit code, or 4 when the command line makes no sense."""
    if not arguments or arguments[0].startswith("-"):
        print(USAGE, file=sys.stderr)
        return pytest.ExitCode.USAGE_ERROR
    directory = Path(arguments[0])
    if not directory.is_dir():
        print(f"{directory} is not a directory: name one to test in", file=sys.stderr)
        return pytest.ExitCode.USAGE_ERROR
    options = [f"--config-file={HERE / 'pytest.ini'}", f"--directory={directory.absolute()}"]
    # Arguments that name test files are relative to where the user stands, or to the suite.
    rest = [str(HERE / it) if (HERE / it.split("::")[0]).is_file() else it for it in arguments[1:]]
    named = any(it.split("::")[0].endswith(".py") for it in rest)
    return pytest.main([*options, *rest, *([] if named else [str(HERE)])])


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
