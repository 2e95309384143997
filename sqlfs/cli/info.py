"""``sqlfs info``: facts about a file."""

from __future__ import annotations

import argparse
from pathlib import Path

from sqlfs.cli import mounts, output, volumes
from sqlfs.cli.command import Command, add_json_option
from sqlfs.cli.measures import short_size
from sqlfs.cli.target import add_file_argument, opened_file
from sqlfs.owner import Store


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_file_argument(parser)
    add_json_option(parser)


def _print(store: Store, facts: dict[str, object]) -> None:
    rows = {
        "file": output.shown(str(facts["path"])),
        "format": str(facts["format"]),
        "size": _with_unit(facts["bytes"]),
        "free": f"{_with_unit(facts['free_bytes'])}, used again before the file grows",
        "log": _with_unit(facts["log_bytes"]),
        "page size": _with_unit(facts["page_size"]),
        "owner": "nobody" if store.is_owner else f"pid {store.owner_pid}",
    }
    for label, text in rows.items():
        output.line(f"{label + ':':<10} {text}")
    for volume in store.volumes():
        output.line(f"volume     {volumes.summary(store, volume)}")
    for mount in store.mounts():
        output.line(f"mount      {mounts.summary(mount)}")


def _with_unit(size: object) -> str:
    assert isinstance(size, int)
    return f"{size} bytes" + (f" ({short_size(size)})" if size >= 1024 else "")


def _run(arguments: argparse.Namespace) -> int:
    path = Path(arguments.file)
    with opened_file(path, write=False, accept_state=arguments.accept_state) as store:
        facts = store.info()
        if arguments.json:
            more: dict[str, object] = {
                "owner_pid": None if store.is_owner else store.owner_pid,
                "volumes": [volumes.fields(store, volume) for volume in store.volumes()],
                "mounts": [mounts.fields(mount) for mount in store.mounts()],
            }
            output.document({**facts, **more})
        else:
            _print(store, facts)
    return 0


COMMAND = Command(
    "info",
    "sqlfs info photos.sqlite",
    _add_arguments,
    _run,
    f"""\
JSON fields:
  path, format, generation, read_only
  bytes, free_bytes, log_bytes, page_size   bytes
  owner_pid   the process that uses the file, or null
  volumes     a list, see below
  mounts      a list, see sqlfs mounts --help

{volumes.JSON_FIELDS}""",
)
