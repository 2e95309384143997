"""mount(8), umount(8) and fstab(5), as administrators use them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mount.mounting import ENVIRONMENT, NOBODY, Mount

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mount(8) needs root")

# mount(8) looks for its programs where the system has them, and nowhere else.
PROGRAMS = Path("/sbin").resolve()
README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


class System:
    """A machine of its own as far as mounts go, with mount.sqlfs linked as README says."""

    def __init__(self, mount: Mount) -> None:
        self._mount = mount
        self._place = mount.file.parent
        self._programs = self._place / "sbin"
        self._programs.mkdir()
        self._fstab = self._place / "fstab"
        self._fstab.touch()
        program = self._programs / "mount.sqlfs"
        program.write_text(
            f"#!/bin/sh\nPYTHONPATH={ENVIRONMENT['PYTHONPATH']} exec {sys.executable} -c"
            ' "from fuse_driver.mount8 import run; run()" "$@"\n'
        )
        program.chmod(0o755)
        (self._programs / "mount.fuse.sqlfs").symlink_to("mount.sqlfs")
        for name in ("mount.fuse", "mount.fuse3"):
            shutil.copy(PROGRAMS / name, self._programs)

    def add_line(self, options: str, kind: str = "sqlfs") -> None:
        file, directory = self._mount.file, self._mount.directory
        with self._fstab.open("a") as lines:
            print(file, directory, kind, f"{options},log={self._mount.log}", 0, 0, file=lines)

    def run(self, *script: str) -> subprocess.CompletedProcess[str]:
        """What the lines of a shell's script said, `$D` being the mountpoint and `$F` the file.

        No mount outlives it.
        """
        begin = (
            "set -e",
            f"mount --bind {self._programs} {PROGRAMS}",
            f"mount --bind {self._fstab} /etc/fstab",
            "trap 'while umount -l $D 2> /dev/null; do :; done' EXIT",
        )
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", "\n".join((*begin, *script))],
            env={
                **os.environ,
                "D": str(self._mount.directory),
                "F": str(self._mount.file),
                "L": f"log={self._mount.log}",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        if self._mount.log.exists():
            self._mount.wait_ended()
        return done

    def says(self, *script: str) -> str:
        """The same of a script that succeeds."""
        done = self.run(*script)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def system(mount: Mount) -> System:
    return System(mount)


SHOW = "grep -F $D /proc/self/mounts"


@pytest.mark.parametrize("kind", ["sqlfs", "fuse.sqlfs"])
def test_mount_and_umount(system: System, mount: Mount, kind: str) -> None:
    shown = system.says(
        f"mount -t {kind} -o noatime,$L $F $D", SHOW, "echo x > $D/file", "umount $D"
    )
    assert " fuse.sqlfs rw," in shown
    assert "noatime" in shown
    mount.start()
    assert (mount / "file").read_text() == "x\n"


@pytest.mark.parametrize(
    ("options", "there", "missing"),
    [
        ("rw", "rw", "nosuid nodev noexec sync"),
        ("nosuid,nodev", "nosuid nodev", "noexec"),
        ("user", "nosuid nodev noexec", "sync"),
        ("ro,sync", "ro sync", "nosuid"),
    ],
)
def test_the_defaults_are_those_of_mount(
    system: System, mount: Mount, options: str, there: str, missing: str
) -> None:
    mount.start()
    mount.unmount()
    shown = system.says(f"mount -t sqlfs -o {options},$L $F $D", SHOW, "umount $D")
    words = set(re.split(r"[ ,]", shown))
    assert set(there.split()) <= words
    assert not set(missing.split()) & words


def test_remount(system: System) -> None:
    said = system.says(
        "mount -t sqlfs -o nosuid,$L $F $D",
        "echo x > $D/file",
        "mount -o remount,ro $D",
        SHOW,
        "! touch $D/other 2> /dev/null",
        "mount -o remount,rw,suid,noexec $D",
        SHOW,
        "touch $D/other",
        "ls $D",
    )
    first, second, *names = said.splitlines()
    assert " ro,nosuid,relatime," in first
    assert " rw,noexec,relatime," in second
    assert names == ["file", "other"]


def test_a_remount_by_a_line_of_fstab(system: System, mount: Mount) -> None:
    system.add_line(f"noauto,uid={NOBODY},noatime")
    said = system.says("mount $D", "mount -o remount,ro $D", SHOW, "stat -c %u $D")
    assert " ro,noatime," in said
    assert said.endswith(f"\n{NOBODY}\n")
    mount.start()


def test_all_lines_of_fstab_and_once_only(system: System) -> None:
    system.add_line("nofail,_netdev,x-systemd.automount,comment=photos")
    said = system.says("mount -a", "mount -a", SHOW, "umount $F")
    assert len(said.splitlines()) == 1


def test_a_line_with_a_passphrase(system: System, mount: Mount) -> None:
    secret = mount.file.with_name("passphrase")
    secret.write_text("correct horse\n")
    secret.chmod(0o600)
    mount.start("--encrypt", "--passphrase-file", secret)
    (mount / "file").write_text("private")
    mount.unmount()
    system.add_line(f"noauto,passphrase-file={secret}")
    assert system.says("mount $D", "cat $D/file", "umount $D") == "private"


def test_a_line_of_a_type_that_needs_no_link(system: System, mount: Mount, tmp_path: Path) -> None:
    command = tmp_path / "bin"
    command.mkdir()
    (command / "sqlfs-mount").write_text(
        f"#!/bin/sh\nPYTHONPATH={ENVIRONMENT['PYTHONPATH']} exec {sys.executable}"
        ' -m fuse_driver "$@"\n'
    )
    (command / "sqlfs-mount").chmod(0o755)
    system.add_line("noauto,nofail", "fuse.sqlfs-mount")
    shown = system.says(f"mount --bind {command} /usr/local/sbin", "mount $D", SHOW, "umount $D")
    assert " fuse.sqlfs rw," in shown
    mount.start()


def test_a_user_s_line(reachable: Mount) -> None:
    as_nobody = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    # By way of a shell, for setpriv itself keeps its privileges until it has found the program.
    trial = [*as_nobody, "sh", "-c", f"{sys.executable} -c 'import apsw'"]
    if subprocess.run(trial, capture_output=True, check=False).returncode != 0:
        pytest.skip("ordinary users cannot run this interpreter")
    system = System(reachable)
    system.add_line("noauto,user")
    said = system.says(
        "chown nobody $(dirname $F) $D",
        # Not every machine lets its users have the device: here they do.
        "mknod --mode=666 $(dirname $F)/fuse c 10 229",
        "mount --bind $(dirname $F)/fuse /dev/fuse",
        f"{' '.join(as_nobody)} mount $D",
        SHOW,
        f"{' '.join(as_nobody)} umount $D",
        "! grep -F $D /proc/self/mounts",
    )
    assert f"user_id={NOBODY}" in said
    assert reachable.file.stat().st_uid == NOBODY


def test_a_refusal_is_one_line_with_a_code_of_mount_s(system: System, mount: Mount) -> None:
    def refused(options: str, code: int, word: str) -> None:
        done = system.run(f"mount -t sqlfs -o {options} $F $D")
        assert done.returncode == code
        assert word in done.stderr
        assert len(done.stderr.splitlines()) == 1

    refused("no-such-option", 1, "'no-such-option'")
    refused("ro", 32, str(mount.file))
    refused("passphrase-file=/nowhere", 1, "/nowhere")
    assert not mount.file.exists()


def test_what_else_mount_may_say(system: System, mount: Mount) -> None:
    system.says("mount -f -v -t sqlfs $F $D", "! grep -F $D /proc/self/mounts")
    assert not mount.file.exists()
    shown = system.says("mount -s -n -t sqlfs -o no-such-option,$L $F $D", SHOW, "umount $D")
    assert " fuse.sqlfs rw," in shown


# --- what README says ---


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_lines_in_readme_are_lines(tmp_path: Path) -> None:
    (text,) = blocks("fstab")
    fstab = tmp_path / "fstab"
    fstab.write_text(text)
    listed = subprocess.run(
        ["findmnt", "--noheadings", "--fstab", "--tab-file", fstab, "--types", "sqlfs"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert len(listed.stdout.splitlines()) == len(text.splitlines()) > 1


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd")
def test_the_units_in_readme_are_units(tmp_path: Path) -> None:
    names = re.findall(r"`/etc/systemd/system/([\w-]+\.\w+)`", README)
    units = [tmp_path / name for name in names]
    assert {unit.suffix for unit in units} == {".mount", ".automount"}
    for unit, text in zip(units, blocks("ini"), strict=True):
        unit.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
