"""How long those who have the file open are waited for; what harms nobody; without leases."""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.posix.notify import OPEN, Notifier
from sqlfs.maintenance import check_file
from sqlfs.store import watch
from sqlfs.store.decision import when
from sqlfs.store.header import read_header, read_lineage
from sqlfs.volume import VolumeFile, committer
from sqlfs.volume.files import FileSystem
from tests.cli.running import succeed
from tests.copies.load import is_leased, is_torn, wait_leased
from tests.mount.mounting import run, wait_until
from tests.owner.processes import serving

SOAK = int(os.environ.get("SQLFS_SOAK", "1"))
MIB = 1 << 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "volume.sqlite"


@pytest.fixture
def file(path: Path) -> Iterator[VolumeFile]:
    with VolumeFile.open(path, create=True) as file:
        file.create_volume("main")
        yield file


@pytest.fixture
def files(file: VolumeFile) -> Iterator[FileSystem]:
    with FileSystem(file.session("main")) as files:
        yield files


def put(files: FileSystem, name: str, size: int = 1000) -> None:
    files.write_bytes(name, random.Random(name).randbytes(size))
    files.sync()


def names(copy: Path) -> set[str]:
    with VolumeFile.open(copy, background=False) as opened:
        assert opened.db.torn is None
        assert check_file(opened, deep=True) == []
        return set(FileSystem(opened.session("main")).listdir("/"))


def test_a_file_that_is_up_to_date_has_nobody_wait(
    file: VolumeFile, files: FileSystem, path: Path
) -> None:
    put(files, "/a")
    wait_until(lambda: not is_leased(path) and not file.db.log_bytes, "idle is up to date")
    put(files, "/b")
    wait_leased(path)
    run("cksum", path)
    wait_until(lambda: not is_leased(path), "nobody waits for nothing")


def test_what_nobody_synced_is_in_a_copy_too(files: FileSystem, path: Path, tmp_path: Path) -> None:
    files.write_bytes("/a", b"in memory")
    run("cp", path, tmp_path / "copy.sqlite")
    assert names(tmp_path / "copy.sqlite") == {"a"}


def test_a_reader_who_stays_costs_neither_room_nor_other_copies(
    file: VolumeFile, files: FileSystem, path: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(committer, "LOG_BYTES_BOUND", 1 * MIB)
    monkeypatch.setattr(committer, "LOG_BYTES_MAX", 4 * MIB)
    with path.open("rb", buffering=0) as reader:
        start = reader.read(5 * file.db.page_size)
        for number in range(30):
            put(files, f"/{number}", MIB)
            assert file.db.log_bytes < 12 * MIB
        assert "torn" in caplog.text
        wait_until(lambda: not file.db.log_bytes, "the file follows although somebody reads it")
        run("cp", path, tmp_path / "copy.sqlite")
        (tmp_path / "torn.sqlite").write_bytes(start + reader.read())
    assert names(tmp_path / "copy.sqlite") == {str(number) for number in range(30)}
    with VolumeFile.open(tmp_path / "torn.sqlite", background=False) as torn:
        assert torn.read_only
        assert torn.notices == [torn.db.torn]


def test_tail_f_neither_starves_checkpoints_nor_has_the_log_grow(
    file: VolumeFile, files: FileSystem, path: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(committer, "LOG_BYTES_BOUND", 1 * MIB)
    monkeypatch.setattr(committer, "LOG_BYTES_MAX", 4 * MIB)
    with subprocess.Popen(["tail", "-c", "1", "-f", path], stdout=subprocess.PIPE) as tail:
        try:
            assert tail.stdout is not None
            tail.stdout.read(1)
            for number in range(20):
                put(files, f"/{number}", MIB)
                assert file.db.log_bytes < 12 * MIB
            wait_until(lambda: not file.db.log_bytes, "the file follows although somebody reads it")
        finally:
            tail.kill()
    put(files, "/then")
    wait_leased(path)
    run("cp", path, tmp_path / "copy.sqlite")
    assert names(tmp_path / "copy.sqlite") == {"then", *map(str, range(20))}


def test_a_copy_that_begins_during_another_is_of_the_same_moment(
    file: VolumeFile, files: FileSystem, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file can't follow while the first one reads: the second says how old it is.  Once the
    first is done, the next one waits, without another change."""
    monkeypatch.setattr(committer, "CHECKPOINT_IDLE_S", 3600.0)
    put(files, "/a")
    run("cksum", path)
    wait_until(lambda: not is_leased(path), "the file is up to date")
    first, second, third = (tmp_path / f"copy-{number}.sqlite" for number in range(3))
    with path.open("rb", buffering=0) as reader:
        start = reader.read(2 * file.db.page_size)
        before_ns = time.time_ns()
        put(files, "/b")
        run("cp", path, second)
        put(files, "/c")
        first.write_bytes(start + reader.read())
    wait_leased(path)
    run("cp", path, third)
    assert first.read_bytes() == second.read_bytes()
    with VolumeFile.open(second, background=False, read_only=True) as opened:
        written_ns = opened.db.lineage.written_ns
        assert written_ns < before_ns
        assert opened.notices == [
            f"{second} is a copy, made of a volume in use; it holds the state of {when(written_ns)}"
        ]
    assert [names(each) for each in (first, second, third)] == [{"a"}, {"a"}, {"a", "b", "c"}]


def test_time_is_a_bound_as_well(
    file: VolumeFile, files: FileSystem, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer, "CHECKPOINT_DEFERRED_S_MAX", 0.1)
    with path.open("rb"):
        put(files, "/a")
        wait_until(lambda: not file.db.log_bytes, "the file follows although somebody has it open")


def test_what_only_looks_harms_nobody(file: VolumeFile, files: FileSystem, path: Path) -> None:
    for number in range(20):
        put(files, f"/{number}")
        run("stat", path)
        run("ls", "-l", path)
        run("cksum", path)
    assert file.db.failure is None


def test_commands_beside_an_owner_do_not_open_the_file(path: Path) -> None:
    succeed("init", path)
    with serving(path), Notifier() as notifier:
        notifier.watch(path, OPEN)
        succeed("put", path, "-", "/a", given=b"content")
        for command in ("ls", "info", "volumes", "mounts", "df", "check", "tree"):
            succeed(command, path)
        succeed("rm", path, "/a")
        assert notifier.events() == []


def wait_followed(file: VolumeFile) -> None:
    """Until the file itself holds what is done now."""
    now = file.db.lineage.generation
    header = read_header(file.db.fd, file.path)
    wait_until(
        lambda: read_lineage(file.db.fd, file.path, header).generation >= now,
        "the file follows within the bound",
    )


def test_without_leases_a_copy_is_consistent_and_not_old(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "signal_descriptor", lambda: -1)
    monkeypatch.setattr(committer, "COPY_AGE_S_MAX", 0.2)
    with VolumeFile.open(path, create=True) as file:
        file.create_volume("main")
        done: list[int] = []
        ending = threading.Event()

        def write() -> None:
            with FileSystem(file.session("main")) as files:
                while not ending.is_set():
                    put(files, f"/{len(done)}", 1 + 700 * (len(done) % 9))
                    done.append(len(done))

        writer = threading.Thread(target=write)
        writer.start()
        torn = 0
        try:
            for _ in range(8 * SOAK):
                before = len(done)
                wait_followed(file)
                copy = tmp_path / f"copy-{before}.sqlite"
                run("cp", path, copy)
                if is_torn(copy):
                    torn += 1
                    continue
                found = sorted(map(int, names(copy)))
                assert found == list(range(len(found)))
                assert len(found) >= before
        finally:
            ending.set()
            writer.join()
        assert torn < 8 * SOAK


def test_a_copy_made_while_the_mount_ends_is_whole(path: Path, tmp_path: Path) -> None:
    with VolumeFile.open(path, create=True) as file:
        file.create_volume("main")
        put(FileSystem(file.session("main")), "/a", 3 * MIB)
        wait_until(lambda: not file.db.log_bytes, "idle is up to date")
        reading = os.open(path, os.O_RDONLY)
        start = os.read(reading, MIB)
    with open(reading, "rb") as rest:
        (tmp_path / "copy.sqlite").write_bytes(start + rest.read())
    assert names(tmp_path / "copy.sqlite") == {"a"}
