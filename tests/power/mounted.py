"""`python -m tests.power.mounted FILE DIR RECORD`: sqlfs-mount in the foreground, recorded.

Each line on standard input is the number of a state that has become durable; it is answered by
DONE once the record says so.  The record goes on with what RECORD holds, and is written there
when the mount has ended.
"""

from __future__ import annotations

import pickle
import sys
import threading
from functools import partial
from pathlib import Path
from types import SimpleNamespace

from fuse_driver.mount import main as mount
from sqlfs.owner import opening
from sqlfs.volume import VolumeFile
from tests.power.record import Recorder, RecordingSyncer
from tests.power.vfs import recording


def acknowledge_input(recorder: Recorder) -> None:
    # Unbuffered: a thread inside a buffered reader would trip the interpreter's end.
    with open(0, "rb", buffering=0) as lines:
        for line in lines:
            recorder.acknowledge(int(line))
            print("DONE", flush=True)


def main() -> int:
    file, directory, record = map(Path, sys.argv[1:])
    recorder = Recorder(file, pickle.loads(record.read_bytes()))
    with recording(recorder) as vfs:
        recorded = partial(VolumeFile.open, vfs=vfs, syncer=RecordingSyncer(recorder))
        vars(opening)["VolumeFile"] = SimpleNamespace(open=recorded)
        threading.Thread(target=acknowledge_input, args=[recorder], daemon=True).start()
        code = mount([str(file), str(directory), "-f"])
    record.write_bytes(pickle.dumps(recorder.record))
    return code


if __name__ == "__main__":
    sys.exit(main())
