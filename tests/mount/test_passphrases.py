"""Encrypted volumes: where the passphrase comes from, and a wrong one."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

from sqlfs.cli.exits import Exit
from tests.mount.mounting import COMMAND, DEADLINE_S, ENVIRONMENT, Mount, sqlfs_mount
from tests.mount.test_refusals import refused

PASSPHRASE = "correct hörse"


@pytest.fixture
def encrypted(mount: Mount) -> Mount:
    """An encrypted volume with one file, not mounted."""
    secret = mount.file.parent / "secret"
    secret.write_text(PASSPHRASE + "\n")
    assert "created encrypted volume" in mount.start("--encrypt", "--passphrase-file", secret)
    (mount / "file").write_text("found again")
    mount.unmount()
    return mount


def test_from_a_file(encrypted: Mount) -> None:
    encrypted.start("-o", f"passphrase-file={encrypted.file.parent / 'secret'}")
    assert (encrypted / "file").read_text() == "found again"


def test_from_the_environment(encrypted: Mount) -> None:
    encrypted.start("--passphrase-env", "SECRET", env={**ENVIRONMENT, "SECRET": PASSPHRASE})
    assert (encrypted / "file").read_text() == "found again"


def test_from_a_descriptor(encrypted: Mount) -> None:
    reading, writing = os.pipe()
    os.write(writing, PASSPHRASE.encode() + b"\n")
    os.close(writing)
    encrypted.start("--passphrase-fd", str(reading), pass_fds=[reading])
    os.close(reading)
    assert (encrypted / "file").read_text() == "found again"


def test_a_wrong_one(encrypted: Mount) -> None:
    done = sqlfs_mount(
        encrypted.file, encrypted.directory, "--passphrase-env", "P", environment={"P": "wrong"}
    )
    refused(done, Exit.DENIED, "wrong passphrase", "'main'")
    assert not encrypted.is_mounted


def test_none_and_no_terminal(encrypted: Mount) -> None:
    done = sqlfs_mount(encrypted.file, encrypted.directory)
    refused(done, Exit.DENIED, "--passphrase-file")


class Terminal:
    """sqlfs-mount at a terminal of its own."""

    def __init__(self, *arguments: str | Path) -> None:
        self._master, self._terminal = pty.openpty()
        name = os.ttyname(self._terminal)
        # The first terminal that a session leader opens becomes its own.
        script = f"exec < {name} > {name} 2>&1; exec " + '"$@"'
        self._process = subprocess.Popen(
            ["sh", "-c", script, "sh", *COMMAND, *arguments],
            env=ENVIRONMENT,
            start_new_session=True,
        )
        self.seen = ""

    def answer(self, prompt: str, line: str) -> None:
        while prompt not in self.seen:
            self.seen += os.read(self._master, 1000).decode()
        self.seen = self.seen.partition(prompt)[2]
        os.write(self._master, line.encode())

    def end(self) -> int:
        """What is left to see, and the exit code."""
        code = self._process.wait(DEADLINE_S)
        os.close(self._terminal)
        try:
            while said := os.read(self._master, 1000):
                self.seen += said.decode()
        except OSError:  # EIO: nobody has the terminal open any more
            pass
        os.close(self._master)
        return code


def test_asked_for_twice_when_new_and_once_later(mount: Mount) -> None:
    terminal = Terminal(mount.file, mount.directory, "--encrypt", "--log", mount.log)
    terminal.answer("New passphrase of volume 'main': ", PASSPHRASE + "\n")
    terminal.answer("New passphrase of volume 'main' (again): ", PASSPHRASE + "\n")
    assert terminal.end() == 0
    assert PASSPHRASE not in terminal.seen
    (mount / "file").write_text("x")
    mount.unmount()
    terminal = Terminal(mount.file, mount.directory, "--log", mount.log)
    terminal.answer("Passphrase of volume 'main': ", PASSPHRASE + "\n")
    assert terminal.end() == 0
    assert (mount / "file").read_text() == "x"


def test_two_that_differ(mount: Mount) -> None:
    terminal = Terminal(mount.file, mount.directory, "--encrypt")
    terminal.answer(": ", "one\n")
    terminal.answer("(again): ", "two\n")
    assert terminal.end() == Exit.USAGE
    assert "differ" in terminal.seen
    assert not mount.file.exists()


def test_interrupted_at_the_prompt(mount: Mount) -> None:
    terminal = Terminal(mount.file, mount.directory, "--encrypt")
    terminal.answer(": ", "\x03")
    assert terminal.end() == Exit.INTERRUPTED
    assert "Traceback" not in terminal.seen
    assert not mount.file.exists()
