"""The command sqlfs-mount."""

from __future__ import annotations

import errno
import logging
import os
import sys
from pathlib import Path

from fuse_driver import arguments, auto_unmount, daemon, logs, mountpoint, process
from fuse_driver.arguments import Arguments
from fuse_driver.daemon import Detach
from fuse_driver.kernel.attach import DEVICE
from fuse_driver.loop import Mount, RequestEnd
from fuse_driver.remount import remount
from fuse_driver.volumes import early_passphrase, open_session, open_store
from sqlfs.cli.exits import Exit, exit_code
from sqlfs.errors import MountFailed, SqlfsError, UsageError
from sqlfs.owner import Store
from sqlfs.volume.session import Session

log = logging.getLogger(__name__)


def run() -> None:
    """The console entry point."""
    sys.exit(main(sys.argv[1:]))


def main(argv: list[str], *, sloppy: bool = False, fake: bool = False) -> int:
    """Mount as `argv` says; the exit code.  Errors are one line on standard error.

    `sloppy`: mount options that nobody knows are no error.  `fake`: all but the mounting.
    """
    try:
        wanted = arguments.parse(argv, sloppy=sloppy)
        if fake:
            return Exit.OK
        if wanted.options.remount:
            remount(wanted.directory, wanted.options)
            return Exit.OK
        _check_device()
        where = mountpoint.prepare(wanted.directory, nonempty=wanted.options.nonempty)
        _check_apart(wanted.file, where)
    except SqlfsError as error:
        return _refuse(error)
    if wanted.foreground:
        return _serve(wanted, where, lambda: None)
    if not os.access(os.devnull, os.R_OK | os.W_OK):
        reason = f"no permission to use {os.devnull}, which a process in the background needs"
        return _refuse(MountFailed(reason, errno_=errno.EACCES))
    return daemon.in_background(lambda detach: _serve(wanted, where, detach))


def _check_device() -> None:
    if not DEVICE.exists():
        raise MountFailed(
            f"there is no {DEVICE}: load the kernel's module (modprobe fuse), "
            "or let the container have the device"
        )


def _check_apart(file: Path, where: Path) -> None:
    """The mount would hide its own file, and wait for itself to find the log beside it."""
    if file.resolve().is_relative_to(where):
        raise UsageError(f"{file} lies in the mountpoint {where}: mount it somewhere else")


def _serve(wanted: Arguments, where: Path, detach: Detach) -> int:
    """Open, mount, answer until the end, close.  The exit code."""
    try:
        if wanted.options.auto_unmount:
            auto_unmount.after_death(where)
        process.settle()
        logs.start(wanted.log, foreground=wanted.foreground)
        passphrase = early_passphrase(wanted)
        store = open_store(wanted, say)
        try:
            session = open_session(store, wanted, passphrase, where, say)
            _mount(store, session, wanted, where, detach)
        finally:
            store.close()
    except SqlfsError as error:
        if wanted.log or not wanted.foreground:
            log.error("%s", error.message)
        return _refuse(error)
    except KeyboardInterrupt:
        say("interrupted")
        return Exit.INTERRUPTED
    except Exception as error:
        log.exception("unexpected failure")
        say(f"unexpected failure: {error!r}")
        return Exit.FAILED
    log.info("closed %s", wanted.file)
    return Exit.OK


def _mount(store: Store, session: Session, wanted: Arguments, where: Path, detach: Detach) -> None:
    try:
        options = wanted.options
        mount = Mount(
            session,
            where,
            options.attachment(wanted.file, read_only=session.read_only),
            synchronous=options.synchronous,
            synchronous_names=options.synchronous_names,
            view=options.view,
            keeps_atime=options.keeps_atime,
            is_client=not store.is_owner,
        )

        def ready(request_end: RequestEnd) -> None:
            store.on_unmount_request(request_end)
            log.info("mounted volume %r of %s at %s", session.volume.name, wanted.file, where)
            detach()

        mount.run(ready)
        log.info("unmounted %s", where)
    finally:
        session.close()


def say(line: str) -> None:
    print(f"sqlfs-mount: {line}", file=sys.stderr)


def _refuse(error: SqlfsError) -> int:
    say(error.message)
    return exit_code(error)
