"""Names and messages as a terminal may safely be shown them."""

from __future__ import annotations


def quoted(name: str) -> str:
    """`name` as it is if every character can be printed, else in the form ``$'...'`` of shells.

    Terminals obey control characters, and whoever made the name chose them.
    """
    if name.isprintable():
        return name
    return "$'" + "".join(_in_quotes(character) for character in name) + "'"


def _in_quotes(character: str) -> str:
    return "\\" + character if character in "\\'" else escaped(character)


def escaped(text: str) -> str:
    """`text` on one line: what can't be printed as ``\\xNN``, one for each byte of UTF-8."""
    return "".join(
        character if character.isprintable() else _hexadecimal(character) for character in text
    )


def _hexadecimal(character: str) -> str:
    raw = character.encode("utf-8", "surrogateescape")
    return "".join(f"\\x{byte:02x}" for byte in raw)
