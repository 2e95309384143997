"""The SQL files: named statements, the schema, the checks.

SQL stands in ``sql/`` and nowhere else.  The folder lies inside the installed package, or
beside it in a checkout and an editable install.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent
_MARK = "-- name: "


def sql_folder() -> Path:
    """The folder that holds ``schema/``, ``statements/`` and ``checks/``."""
    for folder in (_PACKAGE / "sql", _PACKAGE.parent / "sql"):
        if (folder / "schema").is_dir():
            return folder
    raise RuntimeError(f"sqlfs is installed without its sql folder (looked beside {_PACKAGE})")


@cache
def statements() -> dict[str, str]:
    """Every statement of ``sql/statements/`` by its name."""
    found: dict[str, str] = {}
    for file in sorted((sql_folder() / "statements").glob("*.sql")):
        for block in file.read_text("utf-8").split(_MARK)[1:]:
            name, _, text = block.partition("\n")
            if name.strip() in found:
                raise RuntimeError(f"two statements are called {name.strip()}")
            found[name.strip()] = _strip(text)
    return found


@cache
def checks() -> dict[str, str]:
    """Every query of ``sql/checks/`` by its name: sound when it returns no row."""
    return {
        file.stem: file.read_text("utf-8")
        for file in sorted((sql_folder() / "checks").glob("*.sql"))
    }


def schema() -> str:
    """The statements that create the tables of the newest format."""
    return (sql_folder() / "schema" / "v1.sql").read_text("utf-8")


def _strip(text: str) -> str:
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("--"))
    return "\n".join(line for line in lines if line.strip()).strip()
