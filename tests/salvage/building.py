"""``python -m tests.salvage.building FOLDER``: the specimens of the mutants, in a process that may
fork."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

from tests.cli.running import ENVIRONMENT, ROOT
from tests.fuzz import specimens

_KEPT = "specimens.pickle"


def build_all(folder: Path) -> dict[str, specimens.Specimen]:
    """By the name of their kind, in a folder that must stay."""
    subprocess.run(
        [sys.executable, "-m", "tests.salvage.building", folder],
        check=True,
        env=ENVIRONMENT,
        cwd=ROOT,
    )
    found: dict[str, specimens.Specimen] = pickle.loads((folder / _KEPT).read_bytes())
    return found


if __name__ == "__main__":
    place = Path(sys.argv[1])
    built = {kind.name: specimens.build(kind, place) for kind in specimens.KINDS}
    (place / _KEPT).write_bytes(pickle.dumps(built))
