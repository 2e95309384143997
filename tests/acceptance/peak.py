"""``python -m tests.acceptance.peak``: a use of sqlfs in this process, and what memory it took.

``command WORD...`` runs ``sqlfs WORD...``; ``api FILE LOCAL [SECRET]`` makes a volume with the
passphrase that the file SECRET holds, copies the file LOCAL in and out, and makes many small ones.
The last line on standard error is the most memory that was resident, in bytes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import sqlfs
from sqlfs.cli.main import main
from tests.acceptance.volumes import peak_bytes

PIECE_BYTES = 2**20
SMALL_FILES = 20_000


def use_api(path: str, local: str, secret: str | None = None) -> None:
    passphrase = Path(secret).read_text() if secret else None
    with sqlfs.open(path, create=True) as store:
        store.create_volume("main", passphrase)
        with store.mount("main", passphrase) as fs:
            with open(local, "rb") as source, fs.open("/large", "wb") as copy:
                while piece := source.read(PIECE_BYTES):
                    copy.write(piece)
            with open(local, "rb") as source, fs.open("/large", "rb") as copy:
                while piece := copy.read(PIECE_BYTES):
                    assert piece == source.read(PIECE_BYTES)
                assert source.read() == b""
            fs.mkdir("/small")
            for number in range(SMALL_FILES):
                fs.write_bytes(f"/small/{number}", os.urandom(100))
            assert sum(1 for _ in fs.scandir("/small")) == SMALL_FILES
            fs.rmtree("/small")


if __name__ == "__main__":
    what, *words = sys.argv[1:]
    code = 0
    if what == "api":
        use_api(*words)
    else:
        code = main(words)
    print(peak_bytes("self"), file=sys.stderr)
    sys.exit(code)
