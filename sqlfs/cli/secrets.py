"""Where a passphrase comes from: a file, the environment, a descriptor, or a person.

Never the command line, which every user of the machine can read.
"""

from __future__ import annotations

import argparse
import getpass
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlfs.errors import PassphraseNeeded, UsageError

PASSPHRASE_BYTES_MAX: Final = 4096


@dataclass(frozen=True, slots=True)
class PassphraseSource:
    """Where to read a passphrase without asking anybody; at most one is set."""

    file: Path | None = None
    environment: str | None = None
    descriptor: int | None = None

    @property
    def is_given(self) -> bool:
        return not (self.file is None and self.environment is None and self.descriptor is None)


def add_passphrase_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--passphrase-file", metavar="F", type=Path, help="read the passphrase from file F"
    )
    group.add_argument(
        "--passphrase-env", metavar="VAR", help="take the passphrase from environment variable VAR"
    )
    group.add_argument(
        "--passphrase-fd", metavar="N", type=int, help="read the passphrase from descriptor N"
    )


def passphrase_source(arguments: argparse.Namespace) -> PassphraseSource:
    """What the options of :func:`add_passphrase_options` said."""
    return PassphraseSource(
        file=arguments.passphrase_file,
        environment=arguments.passphrase_env,
        descriptor=arguments.passphrase_fd,
    )


def read_passphrase(
    source: PassphraseSource, prompt: str | None = None, *, confirm: bool = False
) -> bytes | None:
    """The passphrase, 1 to PASSPHRASE_BYTES_MAX bytes.

    From `source` if it is given, less one trailing newline; else, if there is a `prompt`, from
    whoever sits at the terminal, twice the same if `confirm`; else None.  Raises UsageError for a
    source that cannot be read and for an empty or too long passphrase, PassphraseNeeded when
    there is no terminal to ask at.
    """
    if source.is_given:
        passphrase = _from_source(source)
    elif prompt is not None:
        passphrase = _from_terminal(prompt, confirm)
    else:
        return None
    if not passphrase:
        raise UsageError("the passphrase is empty")
    if len(passphrase) > PASSPHRASE_BYTES_MAX:
        raise UsageError(f"the passphrase is longer than {PASSPHRASE_BYTES_MAX} bytes")
    return passphrase


def _from_source(source: PassphraseSource) -> bytes:
    if source.environment is not None:
        value = os.environb.get(os.fsencode(source.environment))
        if value is None:
            raise UsageError(f"the environment has no variable {source.environment}")
        return value
    if source.descriptor is not None:
        return _first_bytes(source.descriptor, f"descriptor {source.descriptor}")
    return _first_bytes(source.file or Path(), f"passphrase file {source.file}")


def _first_bytes(place: int | Path, called: str) -> bytes:
    try:
        with open(place, "rb") as stream:
            return stream.read(PASSPHRASE_BYTES_MAX + 2).removesuffix(b"\n")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"cannot read {called}: {reason}") from None


def _from_terminal(prompt: str, confirm: bool) -> bytes:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        raise PassphraseNeeded(
            "a passphrase is needed and there is no terminal to ask for it: "
            "give --passphrase-file, --passphrase-env or --passphrase-fd"
        ) from None
    try:
        passphrase = getpass.getpass(f"{prompt}: ")
        if confirm and getpass.getpass(f"{prompt} (again): ") != passphrase:
            raise UsageError("the two passphrases differ")
    except EOFError:
        raise PassphraseNeeded("a passphrase is needed, and none was typed") from None
    return passphrase.encode("utf-8", "surrogateescape")
