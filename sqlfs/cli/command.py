"""What a command is, and how it reads its arguments."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from sqlfs.cli import output
from sqlfs.cli.registry import COMMANDS
from sqlfs.errors import UsageError

# Line breaks of descriptions and epilogs stay where they are.
DESCRIPTIVE: Final = argparse.RawDescriptionHelpFormatter


class Parser(argparse.ArgumentParser):
    """Raises UsageError where argparse would print several lines and exit, and SqlfsError or
    BrokenPipeError where it would not notice that its help can't be written."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")

    def print_help(self, file: object = None) -> None:
        del file
        output.line(self.format_help().rstrip())


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand.

    ``run`` returns the exit code (see :class:`sqlfs.cli.exits.Exit`), or raises SqlfsError.
    """

    name: str
    example: str  # a command line
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    details: str = ""  # of the help, below the options

    @property
    def summary(self) -> str:
        return COMMANDS[self.name]

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """The arguments after the command's name, options anywhere.  Raises UsageError."""
        return self._parser().parse_intermixed_args(argv)

    def _parser(self) -> Parser:
        details = f"{self.details.strip()}\n\n" if self.details else ""
        parser = Parser(
            prog=f"sqlfs {self.name}",
            description=f"{self.summary[0].upper()}{self.summary[1:]}.",
            epilog=f"{details}example:\n  {self.example}",
            formatter_class=DESCRIPTIVE,
            # A command may want -h for sizes that people read; --help stays.
            conflict_handler="resolve",
            allow_abbrev=False,
        )
        self.add_arguments(parser)
        return parser


def add_json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
