"""`sqlfs backup`: of files in use, to files and pipes, whatever happens meanwhile."""

from __future__ import annotations

import errno
import os
import random
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

import sqlfs as api
from sqlfs.errors import AlreadyExists, NoSpace
from sqlfs.maintenance import check_file
from sqlfs.store import compacting
from sqlfs.volume import VolumeFile
from sqlfs.volume.files import FileSystem
from tests.cli.conftest import PASSPHRASE
from tests.cli.running import COMMAND, ENVIRONMENT, at_terminal, fail, sqlfs, succeed
from tests.copies.load import Load, assert_holds, writers
from tests.copies.test_torn import tree_of
from tests.full.disk import tmpfs
from tests.mount.mounting import DEADLINE_S, Mount, run, wait_until
from tests.owner.processes import serving

SOAK = int(os.environ.get("SQLFS_SOAK", "1"))
MIB = 1 << 20

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A volume with some files, and room that is free again."""
    path = tmp_path / "volume.sqlite"
    with api.open(path, create=True) as store:
        store.create_volume("main")
        with store.mount("main") as files:
            for number in range(12):
                files.write_bytes(f"/{number}", random.Random(number).randbytes(MIB // 4))
            files.sync()
            for number in range(0, 12, 2):
                files.remove(f"/{number}")
    return path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where backups go: a folder of their own, in which nothing else may be left."""
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder / "backup.sqlite"


def start(*words: str | Path, **settings: object) -> subprocess.Popen[bytes]:
    process: subprocess.Popen[bytes] = subprocess.Popen(
        [*COMMAND, *words], env=ENVIRONMENT, stderr=subprocess.PIPE, **settings,  # type: ignore[call-overload]
    )  # fmt: skip
    return process


def left(place: Path) -> list[str]:
    return sorted(path.name for path in place.parent.iterdir())


def tree(path: Path) -> dict[str, bytes | None]:
    """What a sound file holds that is one in its own right: nothing is verified, nothing said."""
    looks: list[int] = []
    with VolumeFile.open(
        path, background=False, progress=lambda done, _: looks.append(done)
    ) as file:
        assert (file.notices, looks, file.read_only) == ([], [], False)
        assert check_file(file, deep=True) == []
        with FileSystem(file.session("main")) as files:
            return tree_of(files)


# --- under load ---


def slowly(source: Path, target: Path, load: Load) -> None:
    """A reader who takes a piece, and the next one when more was written and brought into the
    file."""
    with target.open("wb") as out, start("backup", source, "-", stdout=subprocess.PIPE) as backup:
        assert backup.stdout is not None
        pieces = 0
        while piece := backup.stdout.read(MIB):
            out.write(piece)
            pieces += 1
            if pieces < 8:
                load.wait_for_more()
                run("cksum", source)
        assert backup.stderr is not None
        assert backup.stderr.read() == b""
    assert backup.returncode == 0


def test_a_backup_under_load_holds_what_was_acknowledged_before_it_began(
    mount: Mount, tmp_path: Path, place: Path
) -> None:
    mount.start()
    with writers(mount.directory, tmp_path) as load:
        for _ in range(SOAK):
            for options in ([], ["--compact"], ["-"]):
                load.wait_for_more(20)
                acknowledged = load.acknowledged()
                if options == ["-"]:
                    slowly(mount.file, place, load)
                else:
                    succeed("backup", mount.file, place, *options)
                assert left(place) == ["backup.sqlite"]
                assert_holds(place, acknowledged)
                place.unlink()
        acknowledged = load.acknowledged()
    mount.unmount()
    assert_holds(mount.file, acknowledged)


def test_several_at_once(mount: Mount, tmp_path: Path, place: Path) -> None:
    mount.start()
    with writers(mount.directory, tmp_path) as load:
        acknowledged = load.acknowledged()
        places = [place.with_name(f"{number}.sqlite") for number in range(3)]
        backups = [start("backup", mount.file, each) for each in places]
        for backup in backups:
            assert backup.communicate(timeout=DEADLINE_S)[1] == b""
            assert backup.returncode == 0
    for each in places:
        assert_holds(each, acknowledged)


# --- what it is ---


@pytest.mark.parametrize("options", [(), ("--compact",)], ids=["", "compact"])
def test_a_backup_is_a_file_in_its_own_right(
    file: Path, place: Path, options: tuple[str, ...]
) -> None:
    before = file.read_bytes()
    said = succeed("backup", file, place, "--json", *options).json
    assert said["path"] == str(place)
    assert said["bytes"] == place.stat().st_size
    assert file.stat().st_mtime_ns >= said["state_ns"] > 0
    assert file.read_bytes() == before, "a file that nobody uses is not changed"
    assert left(place) == ["backup.sqlite"]
    assert tree(place) == tree(file)
    smaller = place.stat().st_size < 0.7 * file.stat().st_size
    assert smaller == bool(options)
    # A copy of it looks at itself once, and says nothing.
    copy = place.with_name("copy.sqlite")
    run("cp", place, copy)
    assert succeed("ls", copy).lines == succeed("ls", file).lines
    assert tree(copy) == tree(file)


def test_a_backup_has_no_mount(mounted: Mount, place: Path) -> None:
    (mounted / "a").write_text("a")
    succeed("backup", mounted.file, place)
    connection = apsw.Connection(str(place), flags=apsw.SQLITE_OPEN_READONLY)
    assert connection.execute("SELECT count(*) FROM mount").fetchall() == [(0,)]
    connection.close()
    assert succeed("mounts", place).lines == []


def test_a_backup_needs_no_passphrase_and_its_restoration_only_the_file(
    encrypted_file: Path, place: Path
) -> None:
    with api.open(encrypted_file) as store, store.mount("main", PASSPHRASE) as files:
        files.write_text("/secret", "only here")
        succeed("backup", encrypted_file, place)
        files.remove("/secret")
    run("cp", place, encrypted_file)
    with api.open(encrypted_file) as store, store.mount("main", PASSPHRASE) as files:
        assert files.read_text("/secret") == "only here"


def test_its_mode_is_what_cp_would_give_it(file: Path, place: Path) -> None:
    file.chmod(0o664)
    succeed("backup", file, place, preexec_fn=lambda: os.umask(0o027))
    assert stat.S_IMODE(place.stat().st_mode) == 0o640


def test_from_python(file: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compacting, "_STEPS", 1)
    done: list[tuple[int, int]] = []
    with api.open(file) as store:
        made = store.backup(place, copied=lambda *step: done.append(step))
        assert (made.path, made.bytes) == (place, place.stat().st_size)
        assert done[-1] == (made.bytes, made.bytes)
        with pytest.raises(AlreadyExists):
            store.backup(place)
        done.clear()
        store.backup(place, overwrite=True, compact=True, compacted=lambda *step: done.append(step))
        assert done
        assert all(0 <= written <= made.bytes == total for written, total in done)
    assert tree(place) == tree(file)


def test_compacting_can_be_interrupted(
    file: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compacting, "_STEPS", 1)

    def interrupt(_written: int, _total: int) -> None:
        raise KeyboardInterrupt

    with api.open(file) as store:
        with pytest.raises(KeyboardInterrupt):
            store.backup(place, compact=True, compacted=interrupt)
        assert left(place) == []


def test_a_bar_at_a_terminal(file: Path, place: Path) -> None:
    with api.open(file) as store, store.mount("main") as files:
        files.write_bytes("/large", random.Random(0).randbytes(40 * MIB))
    shown = at_terminal("backup", file, place)
    assert (shown.code, "back up" in shown.text) == (0, True)


# --- refusals ---


def test_what_is_there_stays_unless_it_is_forced(file: Path, place: Path) -> None:
    place.write_text("kept")
    fail("backup", file, place, code=1, says="--force")
    assert place.read_text() == "kept"
    succeed("backup", file, place, "--force")
    assert tree(place) == tree(file)
    assert left(place) == ["backup.sqlite"]


def test_a_link_leads_to_the_backup(file: Path, place: Path) -> None:
    link = place.with_name("link")
    link.symlink_to(place.name)
    place.write_text("replaced")
    succeed("backup", file, link, "--force")
    assert link.is_symlink()
    assert tree(place) == tree(file)


def test_a_file_in_use_is_not_replaced(file: Path, place: Path) -> None:
    succeed("init", place)
    with serving(place):
        fail("backup", file, place, "--force", code=6, says="in use")
    with api.open(place) as store:
        with pytest.raises(OSError, match="in use"), api.open(file) as other:
            other.backup(place, overwrite=True)
        assert [volume.name for volume in store.volumes()] == ["main"]


@pytest.mark.parametrize("owned", [False, True])
def test_never_over_itself(file: Path, owned: bool) -> None:
    other = file.with_name("other")
    other.symlink_to(file.name)
    with api.open(file if owned else file.with_name("another"), create=True):
        for target in (file, other):
            fail("backup", file, target, "--force", code=1, says="is the volume file itself")
    assert "1" in tree(file)


def test_nonsense(file: Path, place: Path) -> None:
    for option in ("--json", "--compact", "--force"):
        fail("backup", file, "-", option, code=2, says="need a path")
    assert at_terminal("backup", file, "-").code == 2
    fail("backup", file, place.parent, code=1, says="is a directory")
    fail("backup", file, "/dev/null", "--force", code=1, says="not a regular file")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    fail("backup", file, place.parent / "no" / "where", code=3, says="No such file")
    fail("backup", place, file, code=3, says="no such file")
    assert left(place) == []


# --- what may happen meanwhile ---


def test_a_file_that_is_not_sound_has_no_backup(file: Path, place: Path) -> None:
    edit = apsw.Connection(str(file))
    edit.execute("UPDATE reservation SET next = next + 1 WHERE kind = 'mount'")
    edit.close()
    fail("backup", file, place, code=5, says="is not sound; check it")
    assert left(place) == []


@root_only
@pytest.mark.parametrize("options", [(), ("--compact",)], ids=["", "compact"])
@pytest.mark.parametrize("missing", [2 * MIB, MIB // 4])
def test_no_room(file: Path, tmp_path: Path, options: tuple[str, ...], missing: int) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    with tmpfs(folder, file.stat().st_size - missing) as disk:
        target = disk.folder / "backup.sqlite"
        fail("backup", file, target, *options, code=1, says="[Nn]o (space|room) left")
        assert left(target) == []
    assert "1" in tree(file)


@root_only
def test_no_room_while_the_copy_is_verified(file: Path, tmp_path: Path) -> None:
    """Each size of disk, from one where the copy just fits to one with room for all."""
    made = 0
    for extra in range(0, 24 * MIB, 8 * MIB):
        folder = tmp_path / str(extra)
        folder.mkdir()
        with tmpfs(folder, file.stat().st_size + extra + 65536) as disk:
            target = disk.folder / "backup.sqlite"
            done = sqlfs("backup", file, target)
            if done.code == 0:
                made += 1
                run("cp", target, folder / "copy.sqlite")
                assert succeed("check", "--deep", folder / "copy.sqlite").lines == ["no findings"]
                continue
            assert done.errors.count("\n") == 1
            assert "no room" in done.errors
            assert left(target) == []
    assert made > 0


def test_a_pipe_that_nobody_reads_any_more(file: Path) -> None:
    with start("backup", file, "-", stdout=subprocess.PIPE) as backup:
        assert backup.stdout is not None
        backup.stdout.read(100)
        backup.stdout.close()
    assert backup.returncode == 141


def test_a_full_pipe_says_so(file: Path) -> None:
    with open("/dev/full", "wb") as full, start("backup", file, "-", stdout=full) as backup:
        _, errors = backup.communicate(timeout=DEADLINE_S)
    assert backup.returncode == 1
    assert os.strerror(errno.ENOSPC) in errors.decode()


def reach(backup: subprocess.Popen[bytes], place: Path, wanted: int) -> None:
    """Wait until so many bytes are written, or the backup has ended."""
    wait_until(
        lambda: (
            backup.poll() is not None
            or sum(path.stat().st_size for path in place.parent.iterdir()) >= wanted
        ),
        "the backup gets on",
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_command_that_is_ended_leaves_nothing_or_all(
    mounted: Mount, place: Path, number: signal.Signals
) -> None:
    (mounted / "a").write_bytes(random.Random(1).randbytes(16 * MIB))
    chance = random.Random()
    ended = 0
    for _ in range(2 * SOAK):
        backup = start("backup", mounted.file, place)
        reach(backup, place, chance.randrange(1, 16 * MIB))
        backup.send_signal(number)
        backup.communicate(timeout=DEADLINE_S)
        ended += backup.returncode != 0
        if place.exists():
            assert set(tree(place)) == {"a"}
            place.unlink()
        if number != signal.SIGKILL:
            assert left(place) == []
        (mounted / "b").write_text("goes on")
        (mounted / "b").unlink()
    assert ended > 0
    succeed("backup", mounted.file, place)
    assert left(place) == ["backup.sqlite"], "what killed ones left is gone"


def test_an_owner_that_ends_or_dies_meanwhile(file: Path, place: Path) -> None:
    """A backup to a file begins anew with the next owner, and is of its own state."""
    for end in ("end", "kill"):
        with serving(file) as owner:
            backup = start("backup", file, place)
            wait_until(lambda: len(left(place)) > 0, "the backup has begun")
            getattr(owner, end)()
            _, errors = backup.communicate(timeout=DEADLINE_S)
        assert (backup.returncode, errors) == (0, b"")
        assert tree(place) == tree(file)
        place.unlink()


def test_a_stream_whose_owner_dies_is_no_backup(file: Path) -> None:
    with serving(file) as owner, start("backup", file, "-", stdout=subprocess.PIPE) as backup:
        assert backup.stdout is not None
        backup.stdout.read(1)
        owner.kill()
        _, errors = backup.communicate(timeout=DEADLINE_S)
    assert backup.returncode == 1
    assert errors.decode().count("\n") == 1


@pytest.fixture
def crowded(tmp_path: Path) -> Iterator[Path]:
    """A disk that a volume nearly fills."""
    folder = tmp_path / "crowded"
    folder.mkdir()
    with tmpfs(folder, 48 * MIB) as disk:
        yield disk.folder / "volume.sqlite"


@root_only
def test_a_crowded_disk_loses_its_backup_but_not_a_write(crowded: Path, place: Path) -> None:
    with api.open(crowded, create=True) as store:
        store.create_volume("main")
        with store.mount("main") as files:
            files.write_bytes("/a", random.Random(1).randbytes(16 * MIB))
            store.checkpoint()
            image = store.image()
            image.read()
            files.write_bytes("/a", random.Random(2).randbytes(MIB))
            store.checkpoint()
            with pytest.raises(NoSpace):
                image.read()
            image.close()
            files.write_bytes("/b", b"goes on")
            store.backup(place)
    assert set(tree(place)) == {"a", "b"}
