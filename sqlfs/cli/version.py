"""``sqlfs version``"""

from __future__ import annotations

import argparse
import platform

from sqlfs import __version__
from sqlfs.cli import output
from sqlfs.cli.command import Command, add_json_option
from sqlfs.store.header import FORMAT_VERSION


def _run(arguments: argparse.Namespace) -> int:
    if arguments.json:
        output.document(
            {
                "version": __version__,
                "format": FORMAT_VERSION,
                "python": platform.python_version(),
            }
        )
    else:
        output.line(
            f"sqlfs {__version__}, file format {FORMAT_VERSION}, Python {platform.python_version()}"
        )
    return 0


COMMAND = Command(
    "version",
    "sqlfs version --json",
    add_json_option,
    _run,
    "JSON fields: version, format, python.",
)
