"""``sqlfs init``: a new volume, in a new file or in one that exists."""

from __future__ import annotations

import argparse

from sqlfs.cli import output, volumes
from sqlfs.cli.command import Command, add_json_option
from sqlfs.cli.measures import parse_size
from sqlfs.cli.secrets import passphrase_source, read_passphrase
from sqlfs.cli.target import DEFAULT_VOLUME, add_target_arguments, opened_file, split_target
from sqlfs.crypto import protect_process
from sqlfs.limits import CHUNK_BYTES_DEFAULT, COMPRESSION_DEFAULT
from sqlfs.volume.settings import NewVolume


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target_arguments(parser)
    add = parser.add_argument
    add("--encrypt", action="store_true", help="encrypt the volume; implied by a passphrase")
    add(
        "--chunk-size",
        metavar="N",
        default=str(CHUNK_BYTES_DEFAULT),
        help="in what pieces content is stored: a power of two from 4K to 4M (default: 256K)",
    )
    add("--no-dedupe", action="store_true", help="store equal content twice, and hide that it is")
    add("--compress", action="store_true", help="compress what is stored, where that saves room")
    add_json_option(parser)


def _run(arguments: argparse.Namespace) -> int:
    path, named = split_target(arguments.file, arguments.volume)
    name = DEFAULT_VOLUME if named is None else named
    chunk_size = parse_size(arguments.chunk_size)
    protect_process()
    prompt = f"New passphrase of volume {name!r}" if arguments.encrypt else None
    passphrase = read_passphrase(passphrase_source(arguments), prompt, confirm=True)
    dedupe = not arguments.no_dedupe
    compression = COMPRESSION_DEFAULT if arguments.compress else 0
    # What is wrong with the volume is said before a file is made for it.
    NewVolume(name, passphrase, chunk_size, dedupe, compression, None).check()
    with opened_file(path, write=True, create=True, accept_state=arguments.accept_state) as store:
        volume = store.create_volume(
            name, passphrase, chunk_size=chunk_size, dedupe=dedupe, compression=compression
        )
        if arguments.json:
            output.document({"path": str(store.path), **volumes.fields(store, volume)})
        else:
            kind = "encrypted" if volume.encrypted else "plain"
            output.line(f"made {kind} volume {output.shown(name)} in {output.shown(str(path))}")
    return 0


COMMAND = Command(
    "init",
    "sqlfs init --encrypt photos.sqlite",
    _add_arguments,
    _run,
    f"""\
A volume without a name given is called {DEFAULT_VOLUME!r}.

--compress uses zstd for each piece of content before it is encrypted, and leaves as they are those
that it does not make smaller by an eighth. How much a piece shrinks shows in its stored length, on
an encrypted volume too.

JSON fields: path, that of the file, and those of the volume, see sqlfs volumes --help.""",
)
