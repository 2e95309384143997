"""``sqlfs df``: how full a volume is."""

from __future__ import annotations

import argparse

from sqlfs.cli import output
from sqlfs.cli.command import Command, add_json_option
from sqlfs.cli.measures import short_size
from sqlfs.cli.target import add_target_arguments, opened_volume


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target_arguments(parser)
    parser.add_argument("-h", "--human", action="store_true", help="sizes with units")
    add_json_option(parser)


def _print(described: dict[str, int], volume: str, *, human: bool) -> None:
    sizes = [described["bytes"], described["bytes_used"], described["bytes_free"]]
    texts = [short_size(size) if human else str(size) for size in sizes]
    share = f"{100 * sizes[1] / max(1, sizes[0]):.0f}%"
    heads = ("SIZE", "USED", "FREE", "USE%", "NODES", "VOLUME")
    cells = (*texts, share, str(described["nodes_used"]), output.shown(volume))
    widths = [max(len(head), len(cell)) for head, cell in zip(heads, cells, strict=True)]
    for row in (heads, cells):
        *figures, name = zip(row, widths, strict=True)
        output.line("  ".join([*(f"{text:>{width}}" for text, width in figures), name[0]]))


def _run(arguments: argparse.Namespace) -> int:
    with opened_volume(arguments, write=False) as files:
        volume, status = files.volume.name, files.statvfs()
    described = {
        "bytes": status.f_blocks * status.f_frsize,
        "bytes_used": (status.f_blocks - status.f_bfree) * status.f_frsize,
        "bytes_free": status.f_bavail * status.f_frsize,
        "nodes": status.f_files,
        "nodes_used": status.f_files - status.f_ffree,
        "nodes_free": status.f_favail,
    }
    if arguments.json:
        output.document({"volume": volume, **described})
    else:
        _print(described, volume, human=arguments.human)
    return 0


COMMAND = Command(
    "df",
    "sqlfs df -h photos.sqlite",
    _add_arguments,
    _run,
    """\
JSON fields: volume; bytes, bytes_used, bytes_free; nodes, nodes_used, nodes_free.""",
)
