"""``sqlfs salvage``: what is intact of a file that can't be opened any more."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from sqlfs.cli import output
from sqlfs.cli.command import Command, add_json_option
from sqlfs.cli.exits import Exit
from sqlfs.cli.progress import TransferProgress
from sqlfs.cli.secrets import add_passphrase_options, passphrase_source, read_passphrase
from sqlfs.cli.target import split_target
from sqlfs.crypto import protect_process
from sqlfs.errors import NoSuchVolume, UsageError
from sqlfs.maintenance.salvage import (
    Destination,
    Loss,
    Recovered,
    Rescue,
    Traces,
    find_volumes,
    unlock,
)
from sqlfs.store.wreck import Wreck


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("file", metavar="FILE", help="the volume file, or FILE:VOLUME if it holds several volumes")
    add("destination", metavar="DEST", help="a directory, which is made")
    add("--volume", metavar="V", help="the volume's name; FILE is a path then")
    add_passphrase_options(parser)
    add_json_option(parser)


def _run(arguments: argparse.Namespace) -> int:
    path, named = split_target(arguments.file, arguments.volume)
    with _scanned(path) as wreck:
        for notice in wreck.notices:
            output.complaint(notice)
        traces = _chosen(path, find_volumes(wreck), named)
        volume = unlock(wreck.finds, traces, _passphrase(traces, arguments))
        destination = Destination(Path(arguments.destination))
        told = _Telling(arguments.json)
        with TransferProgress("salvage", lambda: None) as progress:
            rescue = Rescue(wreck, volume, destination, told.loss, progress.advance)
            recovered = rescue.run()
    told.end(recovered)
    return Exit.DAMAGED if recovered.losses else Exit.OK


def _scanned(path: Path) -> Wreck:
    def total() -> int | None:
        try:
            return path.stat().st_size
        except OSError:
            return None

    seen = 0
    with TransferProgress("scan", total) as progress:

        def looked_at(done: int, _: int) -> None:
            nonlocal seen
            progress.advance(done - seen)
            seen = done

        return Wreck(path, looked_at)


def _chosen(path: Path, found: list[Traces], named: str | None) -> Traces:
    names = ", ".join(repr(traces.name) for traces in found)
    if named is None:
        if len(found) > 1:
            raise UsageError(f"{path} has several volumes ({names}); choose by --volume")
        return found[0]
    for traces in found:
        if traces.name == named:
            return traces
    raise NoSuchVolume(f"{path} has no volume {named!r}; found were {names}")


def _passphrase(traces: Traces, arguments: argparse.Namespace) -> bytes | None:
    if traces.is_encrypted:
        protect_process()
    prompt = f"Passphrase of volume {traces.name!r}" if traces.is_encrypted else None
    return read_passphrase(passphrase_source(arguments), prompt)


class _Telling:
    """Of losses while they are met, in lines or as the elements of a JSON array."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._array = output.Array() if as_json else None

    def loss(self, loss: Loss) -> None:
        path = loss.path.decode("utf-8", "surrogateescape")
        is_range = loss.length >= 0
        if self._array is not None:
            fields: dict[str, object] = {"type": "loss", "path": path, "message": loss.message}
            if is_range:
                fields |= {"offset": loss.offset, "length": loss.length}
            self._array.add(fields)
            return
        last = loss.offset + loss.length - 1
        where = f": bytes {loss.offset} to {last} are lost" if is_range else ""
        output.line(f"{output.shown(path or '.')}{where}: {loss.message}")

    def end(self, recovered: Recovered) -> None:
        if self._array is not None:
            self._array.add({"type": "summary", **asdict(recovered)})
            self._array.end()
            return
        output.line(
            f"recovered: {recovered.directories} directories, {recovered.files} files with"
            f" {recovered.bytes} bytes, {recovered.others} other nodes, {recovered.names} more"
            f" names; of these in lost+found: {recovered.in_lost_and_found}"
        )
        output.line(f"lost: {recovered.losses or 'nothing that could be told'}")


COMMAND = Command(
    "salvage",
    "sqlfs salvage photos.sqlite rescued",
    _add_arguments,
    _run,
    """\
For a file that sqlfs and SQLite refuse: its pages are read one by one, also those of its log, and
whatever opens is put into DEST, which must not be there yet, or be empty.  FILE is not changed,
and nobody may have it open.  Content that is lost becomes a hole, and is listed; what has lost its
place comes to lost+found.  The exit code is 5 if anything is missing.

JSON: an array of objects.  Those of type loss have
  path             relative to DEST, empty for the whole
  message          what is lost, or why
  offset, length   of lost content only, bytes
and the last one, of type summary,
  directories, files, others, names   that came out; names: further ones of what has one already
  bytes                               of content
  in_lost_and_found, left_out         nodes without a place; nodes that had been deleted
  losses                              how many were listed
  expected, found                     nodes that the volume says it had, null if that is lost, too;
                                      nodes that could be read""",
)
