"""The entry point: which command, and what its end means to the shell."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Final, NoReturn

from sqlfs.cli import output
from sqlfs.cli.command import DESCRIPTIVE, Parser
from sqlfs.cli.exits import Exit, exit_code
from sqlfs.cli.registry import COMMANDS, command
from sqlfs.errors import SqlfsError, UsageError

__all__ = ["COMMANDS", "main", "run"]

_WIDTH: Final = max(map(len, COMMANDS))

_EPILOG: Final = f"""\
commands:
{chr(10).join(f"  {name:<{_WIDTH}}  {summary}" for name, summary in COMMANDS.items())}

Every command has its own help: sqlfs COMMAND --help.  FILE:VOLUME, or --volume, says which volume
of a file is meant if it holds several.  All commands work while the volume is mounted.

Names are bytes; JSON shows those that are not UTF-8 as lone surrogates, U+DC80 to U+DCFF.

exit codes:
    0  done
    1  failed
    2  the command line makes no sense
    3  a file, a path or a volume was not found
    4  a wrong or missing passphrase, or no permission
    5  the file is damaged, or its log is missing
    6  the file is in use, and its user can't be asked
    7  not a volume file, or one of an unsupported format
  130  interrupted by Ctrl-C
  141  nobody read standard output any more
  143  ended by SIGTERM

example:
  sqlfs init photos.sqlite && sqlfs put -r photos.sqlite ~/Pictures /
"""


def run() -> NoReturn:
    """The command ``sqlfs``."""
    sys.exit(main(sys.argv[1:]))


def main(argv: Sequence[str]) -> int:
    """Do what `argv`, without the program's name, says; the exit code.

    Errors are one line on standard error.
    """
    output.set_up()
    signal.signal(signal.SIGTERM, _end)
    code = _guarded(lambda: _dispatch(argv))
    flushed = _guarded(output.flush)
    return code or flushed


def _end(number: int, frame: FrameType | None) -> NoReturn:
    # The file is closed in good order on the way out.
    del frame
    sys.exit(128 + number)


def _guarded(step: Callable[[], int]) -> int:
    try:
        return step()
    except SqlfsError as error:
        output.complaint(error.message)
        return exit_code(error)
    except SystemExit as end:  # of --help, or by a signal
        return end.code if isinstance(end.code, int) else Exit.OK
    except BrokenPipeError:
        output.abandon()
        return Exit.BROKEN_PIPE
    except KeyboardInterrupt:
        output.complaint("interrupted")
        return Exit.INTERRUPTED
    except Exception as error:
        output.complaint(f"unexpected failure: {error!r}; please report it")
        return Exit.FAILED


def _dispatch(argv: Sequence[str]) -> int:
    if argv and not argv[0].startswith("-"):
        name, *rest = argv
    elif _parser().parse_args(argv).version:
        name, rest = "version", []
    else:
        raise UsageError("which command? See sqlfs --help")
    chosen = command(name)
    return chosen.run(chosen.parse(rest))


def _parser() -> Parser:
    parser = Parser(
        prog="sqlfs",
        usage="sqlfs COMMAND [OPTION]... FILE [ARGUMENT]...",
        description="Use the volumes of a sqlfs file without mounting them.",
        epilog=_EPILOG,
        formatter_class=DESCRIPTIVE,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="show the version")
    return parser
