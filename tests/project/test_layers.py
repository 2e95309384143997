"""Each package imports only packages below it; prose alone would drift."""

from __future__ import annotations

import re

import pytest

from tests.project.sources import Module, modules

# From top to bottom.  `sqlfs` itself is the facade: its own `__init__` and nothing else.
RANKS = (
    "fuse_driver",
    "fuse_driver.kernel",
    "sqlfs.cli",
    "sqlfs",
    "sqlfs.owner",
    "sqlfs.maintenance",
    "sqlfs.volume",
    "sqlfs.history",
    "sqlfs.content",
    "sqlfs.namespace",
    "sqlfs.chunks",
    "sqlfs.crypto",
    "sqlfs.store",
    "sqlfs.errors/types/limits",
)
GROUND = RANKS[-1]
# They know no other package.
PURE = ("sqlfs.crypto", "fuse_driver.kernel")

# The only package that may import these, because no other one may know what they are for.
CONFINED = {
    "apsw": "sqlfs.store",
}
NOWHERE = ("sqlite3",)

SQL = re.compile(
    r"\b(SELECT\s.*\sFROM|INSERT\s+(OR\s+\w+\s+)?INTO|REPLACE\s+INTO|UPDATE\s+\w+\s+SET"
    r"|DELETE\s+FROM|(CREATE|DROP|ALTER)\s+TABLE|PRAGMA\s+\w+|BEGIN\s+IMMEDIATE)\b",
    re.DOTALL,
)


def layer_of(name: str) -> str | None:
    """The layer that a module, or a name imported from one, belongs to; None for foreign ones."""
    first, _, rest = name.partition(".")
    if first == "fuse_driver":
        return "fuse_driver.kernel" if rest.partition(".")[0] == "kernel" else "fuse_driver"
    if first != "sqlfs":
        return None
    second = rest.partition(".")[0]
    if second in ("errors", "types", "limits"):
        return GROUND
    package = f"sqlfs.{second}"
    return package if package in RANKS else "sqlfs"


def violations(module: Module) -> list[str]:
    """What is wrong with the imports and the strings of a module, one line each."""
    own = layer_of(module.name)
    found = []
    for line, imported in module.imports():
        if reason := _wrong_import(own, imported):
            found.append(f"{module.name}:{line}: imports {imported}: {reason}")
    if own != "sqlfs.store":
        for line, text in module.strings():
            if SQL.search(text):
                found.append(f"{module.name}:{line}: SQL belongs to sql/ and runs in sqlfs.store")
    return found


def _wrong_import(own: str | None, imported: str) -> str | None:
    foreign = imported.partition(".")[0]
    if foreign in NOWHERE:
        return "apsw is the project's SQLite"
    if CONFINED.get(foreign, own) != own:
        return f"only {CONFINED[foreign]} may"
    other = layer_of(imported)
    if own is None or other is None or own == other:
        return None
    if own in PURE and other != GROUND:
        return f"{own} is pure"
    if RANKS.index(other) < RANKS.index(own):
        return f"{other} is above {own}"
    return None


def sample(name: str, text: str) -> Module:
    return Module(name, False, text)


def test_every_module_keeps_to_its_layer() -> None:
    sources = modules("sqlfs", "fuse_driver")
    assert [line for module in sources for line in violations(module)] == []


def test_every_module_has_a_layer() -> None:
    facade = [module.name for module in modules("sqlfs") if layer_of(module.name) == "sqlfs"]
    assert facade == ["sqlfs"]


def test_the_conformance_suite_knows_nothing_of_the_implementation() -> None:
    found = [
        f"{module.name}:{line}: imports {imported}"
        for module in modules("conformance")
        for line, imported in module.imports()
        if layer_of(imported) is not None
    ]
    assert found == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sqlfs.store.log", "import sqlfs.errors"),
        ("sqlfs.store.log", "from sqlfs import errors, limits"),
        ("sqlfs.store.log", "from sqlfs.store.io import Syncer"),
        ("sqlfs.store.log", "from .io import Syncer"),
        ("sqlfs.store.log", "import apsw; q = 'SELECT a FROM b'"),
        ("sqlfs.chunks.pool", "from sqlfs.crypto import Sealer"),
        ("sqlfs.cli.main", "import sqlfs"),
        ("sqlfs", "from sqlfs.owner.opening import open"),
        ("fuse_driver.mount", "from fuse_driver.kernel import abi; from sqlfs.cli import exits"),
        ("sqlfs.volume.direct", "'''SELECT a FROM b in a docstring'''"),
    ],
)
def test_what_layers_allow(name: str, text: str) -> None:
    assert violations(sample(name, text)) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sqlfs.store.log", "import sqlfs.crypto"),
        ("sqlfs.store.log", "from sqlfs import volume"),
        ("sqlfs.store.log", "def late():\n    from ..chunks import pool"),
        ("sqlfs.crypto.seal", "from sqlfs.store import Database"),
        ("sqlfs.content.tree", "from sqlfs.volume.session import Session"),
        ("sqlfs.volume.direct", "import sqlfs"),
        ("sqlfs.volume.direct", "from sqlfs import open"),
        ("sqlfs", "import sqlfs.cli"),
        ("sqlfs.cli.main", "import fuse_driver.mount"),
        ("fuse_driver.kernel.device", "from sqlfs.volume.session import Session"),
        ("sqlfs.store.log", "from fuse_driver.kernel import abi"),
        ("sqlfs.namespace.nodes", "import apsw"),
        ("sqlfs.store.log", "import sqlite3"),
        ("sqlfs.volume.direct", "run('SELECT a, b\\nFROM c')"),
        ("fuse_driver.names", "run(f'DELETE FROM {table}')"),
        ("sqlfs.owner.server", "run('PRAGMA journal_mode')"),
    ],
)
def test_what_layers_forbid(name: str, text: str) -> None:
    assert len(violations(sample(name, text))) == 1
