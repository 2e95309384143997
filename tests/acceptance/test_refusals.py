"""What sqlfs-mount says to a file it can't mount: one line, and the exit code of its kind."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import sqlfs
from sqlfs.cli.exits import Exit
from tests.acceptance.volumes import Volume
from tests.cli.test_bad_files import make_a_fifo, make_it_newer, need_a_feature, truncate
from tests.mount.mounting import AS_NOBODY, COMMAND, ENVIRONMENT, NOBODY, sqlfs_mount
from tests.mount.test_refusals import refused

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can do this to a file")


@pytest.fixture
def unmounted(fuse: None, tmp_path: Path) -> Iterator[Volume]:  # noqa: ARG001
    """A plain volume with one file, not mounted."""
    with Volume(tmp_path, encrypted=False) as volume:
        with sqlfs.open(volume.file, create=True) as store:
            store.create_volume("main")
            with store.mount() as fs:
                fs.write_text("/note", "kept")
        yield volume


@pytest.mark.parametrize(
    ("spoil", "code", "says"),
    [
        (make_a_fifo, Exit.UNSUPPORTED, "not a regular file"),
        (make_it_newer, Exit.UNSUPPORTED, "format 2"),
        (need_a_feature, Exit.UNSUPPORTED, "'telepathy'"),
        (truncate, Exit.DAMAGED, "truncated"),
    ],
    ids=lambda it: getattr(it, "__name__", ""),
)
@pytest.mark.parametrize("options", [[], ["-o", "ro"]], ids=["rw", "ro"])
def test_a_file_that_is_no_sound_volume_file(
    unmounted: Volume, spoil: Callable[[Path], None], code: Exit, says: str, options: list[str]
) -> None:
    spoil(unmounted.file)
    before = unmounted.file.lstat().st_size
    done = sqlfs_mount(unmounted.file, unmounted.directory, *options)
    refused(done, code, str(unmounted.file), says)
    assert not unmounted.is_mounted
    assert unmounted.file.lstat().st_size == before


@as_root
def test_a_read_only_file_system_under_the_volume(unmounted: Volume, tmp_path: Path) -> None:
    # All mounts are made in a namespace of the shell's own; the log lies outside.
    place = unmounted.file.parent / "media"
    place.mkdir()
    file = unmounted.file.rename(place / "volume.sqlite")
    log: list[str | Path] = ["--log", tmp_path / "mount.log"]

    def mount(*words: str | Path, then: str = "") -> subprocess.CompletedProcess[str]:
        script = f"""
            set -e
            mount --bind {place} {place}
            mount -o remount,bind,ro {place}
            "$@"
            {then}
        """
        return subprocess.run(
            ["unshare", "-m", "sh", "-c", script, "sh", *COMMAND, *words],
            env=ENVIRONMENT, capture_output=True, text=True, check=False,
        )  # fmt: skip

    refused(mount(file, unmounted.directory), Exit.FAILED, f"{file} can't be written", "-o ro")
    new = place / "new.sqlite"
    refused(mount(new, unmounted.directory), Exit.FAILED, f"can't create {new}")
    read = f"cat {unmounted / 'note'}; umount {unmounted.directory}"
    done = mount(file, unmounted.directory, "-o", "ro", *log, then=read)
    assert (done.returncode, done.stdout, done.stderr) == (0, "kept", "")
    unmounted.wait_ended()
    assert [path.name for path in place.iterdir()] == ["volume.sqlite"]


@as_root
@pytest.mark.usefixtures("fuse")
def test_a_file_in_use_by_another_users_process() -> None:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o777)
        directory = place / "mounted"
        directory.mkdir()
        os.chown(directory, NOBODY, NOBODY)
        file = place / "volume.sqlite"
        with sqlfs.open(file, create=True) as store:
            store.create_volume("main")
            file.chmod(0o666)
            done = sqlfs_mount(file, directory, command=AS_NOBODY)
            refused(done, Exit.DENIED, f"{file} is in use by process {os.getpid()}")
        assert list(directory.iterdir()) == []
