"""Programs that carry trees: all that a file is arrives, stays over a remount, and comes back."""

from __future__ import annotations

import os
import shutil
import stat
import struct
import sys
from collections.abc import Callable
from errno import ENOTSUP
from pathlib import Path

import pytest

from tests.mount.mounting import ENVIRONMENT, Mount, run, wait_until

AS_ROOT = os.geteuid() == 0

MIB = 1 << 20
SPARSE_BYTES = 20 * MIB

ACL_USER_OBJECT, ACL_USER, ACL_GROUP_OBJECT, ACL_MASK, ACL_OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
NOBODY_SPECIAL = 0xFFFFFFFF


def needs(*programs: str) -> pytest.MarkDecorator:
    """Without its programs a test is skipped; `make test` installs them."""
    missing = [program for program in programs if not shutil.which(program)]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root may do this")


def begin(mount: Mount, *, encrypted: bool = False) -> None:
    """Mount a new volume where programs may use set-id bits and devices."""
    if encrypted:
        _secret(mount).write_text("a passphrase of the tests\n")
    mount.start("-o", "suid,dev", *(["--encrypt"] if encrypted else []), *_passphrase(mount))


def again(mount: Mount) -> None:
    """Unmount and mount: what is seen from now on comes from the file."""
    mount.remount("-o", "suid,dev", *_passphrase(mount))


def end_sound(mount: Mount) -> None:
    """Unmount; nothing that programs did has left the file unsound."""
    mount.unmount()
    check = (sys.executable, "-m", "sqlfs.cli", "check", "--deep", mount.file)
    run(*check, *_passphrase(mount), env=ENVIRONMENT)


def beside(mount: Mount, elsewhere: Path, script: str) -> str:
    """Run a shell script in a new folder elsewhere and in one on the mount: both say the same."""
    said = []
    for place in (elsewhere / "folder", mount / "folder"):
        place.mkdir()
        said.append(run("sh", "-ec", script, cwd=place).stdout)
    assert said[1] == said[0]
    assert said[0], "a script that says nothing tells nothing"
    return said[0]


def _secret(mount: Mount) -> Path:
    return mount.file.with_name("passphrase")


def _passphrase(mount: Mount) -> list[str | Path]:
    secret = _secret(mount)
    return ["--passphrase-file", secret] if secret.exists() else []


def listing(top: Path) -> dict[str, dict[str, object]]:
    """Every entry of a tree with all that a copy must keep, bytes included."""
    found: dict[str, dict[str, object]] = {}
    first_names: dict[int, str] = {}
    for path in [top, *sorted(top.rglob("*"))]:
        status = path.lstat()
        name = str(path.relative_to(top))
        entry: dict[str, object] = {
            "mode": oct(status.st_mode),
            "owner": (status.st_uid, status.st_gid),
            "modified": status.st_mtime_ns,
            "xattrs": {
                xattr: os.getxattr(path, xattr, follow_symlinks=False)
                for xattr in sorted(os.listxattr(path, follow_symlinks=False))
            },
        }
        if not stat.S_ISDIR(status.st_mode):
            entry["links"] = status.st_nlink
            entry["one file with"] = first_names.setdefault(status.st_ino, name)
            entry["size"] = status.st_size
            entry["device"] = status.st_rdev
        if path.is_symlink():
            entry["target"] = path.readlink()
        elif stat.S_ISREG(status.st_mode):
            entry["bytes"] = hash(path.read_bytes())
        found[name] = entry
    return found


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Real files of many sizes, with links, odd modes, times, attributes and special nodes."""
    top = tmp_path / "tree"
    compiled = shutil.ignore_patterns("__pycache__")
    for package in ("asyncio", "email"):
        shutil.copytree(Path(os.__file__).parent / package, top / package, ignore=compiled)
    _add_contents(top)
    _add_links_and_nodes(top)
    _add_attributes(top)
    if AS_ROOT:
        _add_what_only_root_may(top)
    os.utime(top / "tiny", ns=(1_000_000_001, 1_234_567_890_123_456_789))
    os.utime(top / "early", ns=(1, 1))
    return top


def _add_contents(top: Path) -> None:
    for name, size in {
        "tiny": 1,
        "early": 512,
        "middling": 256 * 1024 + 1,
        "large": 3_000_001,
    }.items():
        (top / name).write_bytes(os.urandom(size))
    (top / "nothing").touch()
    with (top / "sparse").open("wb") as stream:
        stream.truncate(SPARSE_BYTES)
        stream.seek(SPARSE_BYTES // 2)
        stream.write(b"in the middle")
    (top / "a name\nwith all sorts\\of things \xe4").write_text("odd")
    (top / os.fsdecode(b"not \xff utf-8")).mkdir()


def _add_links_and_nodes(top: Path) -> None:
    (top / "empty").mkdir(0o700)
    (top / "symlink").symlink_to("email/__init__.py")
    (top / "dangling").symlink_to("n" * 4000)
    os.utime(top / "dangling", ns=(1, 987_654_321_123_456_789), follow_symlinks=False)
    (top / "hard").hardlink_to(top / "asyncio" / "tasks.py")
    (top / "empty" / "harder").hardlink_to(top / "hard")
    os.mkfifo(top / "fifo")
    (top / "tiny").chmod(0o4511)
    (top / "email").chmod(0o1777)
    (top / "asyncio").chmod(0o2775)


def _add_attributes(top: Path) -> None:
    access = _acl((ACL_USER, 6, 1234), mask=7)
    _set_xattr(top / "large", "system.posix_acl_access", access)
    _set_xattr(top / "empty", "system.posix_acl_access", access)
    _set_xattr(top / "empty", "system.posix_acl_default", _acl((ACL_USER, 5, 4321), mask=5))
    _set_xattr(top / "large", "user.comment", b"\0\1\xff" * 300)
    _set_xattr(top / "empty", "user.nothing", b"")


def _add_what_only_root_may(top: Path) -> None:
    os.mknod(top / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(top / "block", stat.S_IFBLK | 0o600, os.makedev(259, 70_000))
    os.chown(top / "middling", 1234, 4321)
    os.chown(top / "symlink", 65534, 65534, follow_symlinks=False)
    # Version 2, effective: cap_net_raw.
    _set_xattr(
        top / "middling", "security.capability", struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)
    )
    _set_xattr(top / "symlink", "trusted.of-a-link", b"yes")
    _set_xattr(top / "asyncio", "trusted.of-a-directory", b"yes")


def _acl(named: tuple[int, int, int], *, mask: int) -> bytes:
    entries = [
        (ACL_USER_OBJECT, 7, NOBODY_SPECIAL),
        named,
        (ACL_GROUP_OBJECT, 5, NOBODY_SPECIAL),
        (ACL_MASK, mask, NOBODY_SPECIAL),
        (ACL_OTHER, 0, NOBODY_SPECIAL),
    ]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def _set_xattr(path: Path, name: str, value: bytes) -> None:
    """Where the file system that the tree begins on can't have it, the tree is without."""
    try:
        os.setxattr(path, name, value, follow_symlinks=False)
    except OSError as error:
        if error.errno != ENOTSUP:
            raise


def assert_holes(top: Path) -> None:
    """What the copy of a tree on a mount takes up: its data, and not its holes."""
    assert (top / "sparse").stat().st_blocks * 512 <= MIB
    large = (top / "large").stat()
    assert large.st_size <= large.st_blocks * 512 <= large.st_size + 2 * MIB


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
def test_cp_there_and_back(mount: Mount, tree: Path, tmp_path: Path, encrypted: bool) -> None:
    begin(mount, encrypted=encrypted)
    run("cp", "-a", tree, mount / "copy")
    for _ in range(2):
        run(
            "diff",
            "-r",
            "--no-dereference",
            *("-x", "fifo", "-x", "null", "-x", "block"),
            tree,
            mount / "copy",
        )
        assert listing(mount / "copy") == listing(tree)
        assert_holes(mount / "copy")
        again(mount)
    run("cp", "-a", mount / "copy", tmp_path / "back")
    assert listing(tmp_path / "back") == listing(tree)
    end_sound(mount)


@pytest.mark.parametrize("how", ["--sparse=always", "--reflink=auto"])
def test_cp_within(mount: Mount, tree: Path, how: str) -> None:
    begin(mount)
    run("cp", "-a", tree, mount / "copy")
    run("cp", "-a", how, mount / "copy", mount / "second")
    again(mount)
    assert listing(mount / "second") == listing(tree)
    assert_holes(mount / "second")
    run("mv", mount / "second", mount / "copy" / "empty")
    run("rm", "-r", mount / "copy")
    assert list(mount.directory.iterdir()) == []
    end_sound(mount)


def test_tar_there_and_back(mount: Mount, tree: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed.tar"
    (tmp_path / "back").mkdir()

    def tar(directory: Path, mode: str, *members: str) -> None:
        everything = ("--acls", "--xattrs", "--xattrs-include=*", "--sparse", "--format=posix")
        run("tar", *everything, "--same-permissions", "-C", directory, mode, packed, *members)

    begin(mount)
    tar(tree, "-cf", ".")
    tar(mount.directory, "-xf")
    again(mount)
    tar(mount.directory, "-df")
    assert listing(mount.directory) == listing(tree)
    assert_holes(mount.directory)
    tar(mount.directory, "-cf", ".")
    assert packed.stat().st_size < SPARSE_BYTES // 2
    tar(tmp_path / "back", "-xf")
    assert listing(tmp_path / "back") == listing(tree)
    end_sound(mount)


@needs("cpio")
def test_cpio(mount: Mount, tree: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed.cpio"
    (tmp_path / "unpacked").mkdir()
    (tree / "dangling").unlink()  # whose target is too long for cpio

    def cpio(directory: Path, command: str) -> None:
        run("sh", "-ec", command, "sh", packed, cwd=directory)

    def unpacked(top: Path) -> dict[str, dict[str, object]]:
        """Without what cpio can't keep: times of symlinks, and of directories it comes back to."""
        found = listing(top)
        for entry in found.values():
            if "target" in entry or "links" not in entry:
                del entry["modified"]
        return found

    begin(mount)
    pack = 'find . -mindepth 1 -depth -print0 | cpio --quiet -0 -o -H newc > "$1"'
    unpack = 'cpio --quiet --sparse -idm < "$1"'
    cpio(tree, pack)
    cpio(tmp_path / "unpacked", unpack)
    cpio(mount.directory, unpack)
    again(mount)
    assert unpacked(mount.directory) == unpacked(tmp_path / "unpacked")
    assert_holes(mount.directory)
    end_sound(mount)


@needs("rsync")
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
def test_rsync_there_and_back(mount: Mount, tree: Path, tmp_path: Path, encrypted: bool) -> None:
    def rsync(source: Path, target: Path, *options: str) -> str:
        # Without the window rsync leaves times alone that differ by less than a second.
        exact = ("-aHAXS", "--numeric-ids", "--modify-window=-1")
        return run("rsync", *exact, *options, f"{source}/", f"{target}/").stdout

    begin(mount, encrypted=encrypted)
    copy, back = mount / "copy", tmp_path / "back"
    rsync(tree, copy)
    again(mount)
    assert listing(copy) == listing(tree)
    assert_holes(copy)
    assert rsync(tree, copy, "-ni", "--checksum") == ""
    with (copy / "large").open("r+b") as stream:
        stream.write(b"changed")
    (copy / "early").unlink()
    (copy / "hard").chmod(0o600)
    assert rsync(tree, copy, "-i", "--checksum", "--inplace", "--no-sparse", "--delete") != ""
    assert listing(copy) == listing(tree)
    rsync(copy, back)
    assert listing(back) == listing(tree)
    end_sound(mount)


@needs("busybox")
def test_find_du_and_df_agree(mount: Mount, tree: Path) -> None:
    begin(mount)
    run("cp", "-a", tree, mount / "copy")
    run("cp", "-a", mount / "copy" / "asyncio", mount / "copy" / "empty")
    top = mount.directory

    def both(reduce: Callable[[str], object], *command: str | Path) -> tuple[object, object]:
        gnu, small = (
            run(*implementation, *command, errors="surrogateescape").stdout
            for implementation in ((), ("busybox",))
        )
        return reduce(gnu), reduce(small)

    def sorted_lines(text: str) -> list[str]:
        return sorted(text.splitlines())

    tests = ("-type f", "-type d", "-type l", "-type p", "-perm -1000", "-size +100k", "-links +2")
    for test in tests:
        gnu, small = both(sorted_lines, "find", top, *test.split())
        assert gnu
        assert gnu == small, test
    gnu, small = both(sorted_lines, "du", "-k", top)
    assert gnu == small
    assert run("find", top, "-printf", ".").stdout == "." * (1 + len(list(top.rglob("*"))))

    def used(text: str) -> str:
        return text.splitlines()[-1].split()[2]

    def agree() -> bool:
        """The volume's file may grow between the two."""
        gnu, small = both(used, "df", "-kP", top)
        return gnu == small

    wait_until(agree, "df and df agree")
    end_sound(mount)
