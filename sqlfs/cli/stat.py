"""``sqlfs stat``: the attributes of nodes."""

from __future__ import annotations

import argparse
import os
import stat

from sqlfs.cli import output
from sqlfs.cli.command import Command, add_json_option
from sqlfs.cli.measures import instant
from sqlfs.cli.nodes import JSON_FIELDS, fields, group_name, kind, user_name
from sqlfs.cli.problems import Problems
from sqlfs.cli.target import add_target_arguments, opened_volume, path_in_volume
from sqlfs.volume.files import FileSystem


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target_arguments(parser)
    parser.add_argument("path", metavar="PATH", nargs="+", help="what to look at")
    parser.add_argument(
        "-L", "--dereference", action="store_true", help="follow a symlink instead of showing it"
    )
    add_json_option(parser)


def _print(files: FileSystem, path: str, status: os.stat_result) -> None:
    described = fields(files, path, status)
    name = output.shown(path)
    if "target" in described:
        name += f" -> {output.shown(str(described['target']))}"
    kind_text = kind(status).replace("_", " ")
    if "rdev" in described:
        kind_text += f" {os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    rows = {
        "path": name,
        "node": f"{status.st_ino}",
        "type": kind_text,
        "mode": f"{described['mode']} ({stat.filemode(status.st_mode)})",
        "links": f"{status.st_nlink}",
        "owner": f"{status.st_uid} ({user_name(status.st_uid)})",
        "group": f"{status.st_gid} ({group_name(status.st_gid)})",
        "size": f"{status.st_size} bytes, {described['allocated']} allocated",
        "accessed": instant(status.st_atime_ns),
        "modified": instant(status.st_mtime_ns),
        "changed": instant(status.st_ctime_ns),
    }
    for label, text in rows.items():
        output.line(f"{label + ':':<9} {text}")


def _run(arguments: argparse.Namespace) -> int:
    problems = Problems()
    found: list[output.Fields] = []
    with opened_volume(arguments, write=False) as files:
        for word in arguments.path:
            with problems.noted():
                path = path_in_volume(word)
                status = files.stat(path, follow_symlinks=arguments.dereference)
                if arguments.json:
                    found.append(fields(files, path, status))
                else:
                    _print(files, path, status)
    if arguments.json:
        output.documents(found)
    return problems.code


COMMAND = Command(
    "stat",
    "sqlfs stat photos.sqlite /2024/a.jpg",
    _add_arguments,
    _run,
    JSON_FIELDS,
)
