"""sqlfs itself."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tests.bench.mounted import Mountable, Places


class Sqlfs(Mountable):
    """Default options: encrypted as --encrypt makes it, convergent, coherent with other doors."""

    name = "sqlfs"
    options: tuple[str, ...] = ("--encrypt",)
    # What pip installs has its bytecode; so is a checkout to keep it, whatever the user's habits.
    environment = {"PYTHONDONTWRITEBYTECODE": ""}  # noqa: RUF012

    def missing(self) -> str | None:
        return None

    def version(self) -> str:
        return self.run(sys.executable, "-m", "sqlfs.cli", "version")

    def make(self, at: Places) -> None:
        init = [sys.executable, "-m", "sqlfs.cli", "init", *self.options]
        self.run(*init, *self._secret(at), self._file(at))

    def command(self, at: Places) -> Sequence[str]:
        mount = [sys.executable, "-m", "fuse_driver", "-f"]
        return [*mount, *self._secret(at), self._file(at), at.mounted]

    def _secret(self, at: Places) -> list[str]:
        return ["--passphrase-file", at.passphrase] if self.options else []

    def _file(self, at: Places) -> str:
        return f"{at.store}/volume.sqlite"


class PlainSqlfs(Sqlfs):
    name = "sqlfs-plain"
    note = "not encrypted"
    options = ()


class CompressingSqlfs(Sqlfs):
    name = "sqlfs-zstd"
    note = "content compressed"
    options = ("--encrypt", "--compress")
