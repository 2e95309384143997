"""Directories, names, moving, copying and removing by path."""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path, PurePosixPath

import pytest

import sqlfs
from sqlfs.errors import (
    AlreadyExists,
    Invalid,
    IsADirectory,
    NotADirectory,
    NotEmpty,
    NotFound,
    NotPermitted,
    SqlfsError,
)
from sqlfs.volume import places
from sqlfs.volume.entries import PAGE_ENTRIES

TREE = ["/a/b/c/", "/a/empty/", "/a/b/one", "/a/two", "/three"]


@pytest.fixture
def tree(fs: sqlfs.FileSystem, tmp_path: Path) -> Path:
    """The same small tree in `fs` and below a real directory, which is the oracle."""
    real = tmp_path / "real"
    for path in TREE:
        there = Path(f"{real}{path}")
        if path.endswith("/"):
            fs.makedirs(path, exist_ok=True)
            there.mkdir(parents=True, exist_ok=True)
        else:
            fs.write_text(path, path)
            there.write_text(path)
    for link, target in {"/a/to_b": "b", "/a/dangling": "gone", "/a/b/up": ".."}.items():
        fs.symlink(target, link)
        Path(f"{real}{link}").symlink_to(target)
    return real


class TestPaths:
    def test_are_text_bytes_or_path_like(self, fs: sqlfs.FileSystem) -> None:
        fs.mkdir("/dir")
        for path in ("/dir/a", b"/dir/b", PurePosixPath("/dir/c"), "dir/d", "//dir/./x/../e"):
            if "x" in os.fsdecode(path):
                fs.mkdir("/dir/x")
            fs.write_bytes(path, b"")
            assert fs.is_file(path)
        assert fs.listdir("/dir") == ["a", "b", "c", "d", "x", "e"]
        assert fs.listdir(b"/dir") == [b"a", b"b", b"c", b"d", b"x", b"e"]
        assert next(fs.scandir(b"dir")).path == b"dir/a"
        assert fs.listdir() == ["dir"]

    def test_hold_any_byte(self, fs: sqlfs.FileSystem) -> None:
        name = bytes(range(1, 47)) + bytes(range(48, 256))
        fs.write_bytes(b"/" + name, b"content")
        (text,) = fs.listdir("/")
        assert text == name.decode("utf-8", "surrogateescape")
        assert fs.listdir(b"/") == [name]
        assert fs.read_bytes("/" + text) == b"content"
        assert fs.path_of(fs.stat("/" + text).st_ino) == "/" + text
        fs.symlink(b"\xff", "/link")
        assert fs.readlink("/link") == "\udcff"
        assert fs.readlink(b"/link") == b"\xff"

    def test_that_name_nothing_are_refused(self, fs: sqlfs.FileSystem) -> None:
        with pytest.raises(NotFound):
            fs.stat("")
        with pytest.raises(Invalid):
            fs.stat("/a\0b")
        with pytest.raises(TypeError):
            fs.stat(3)  # type: ignore[arg-type]

    def test_are_in_every_error(self, fs: sqlfs.FileSystem) -> None:
        with pytest.raises(FileNotFoundError, match="'/gone/file': ") as caught:
            fs.write_bytes("/gone/file", b"")
        assert caught.value.filename == "/gone/file"
        fs.mkdir("/dir")
        with pytest.raises(NotFound, match="'/gone'"):
            fs.rename("/gone", "/dir/new")
        with pytest.raises(NotFound, match="'/no/new'"):
            fs.rename("/dir", "/no/new")


class TestDirectories:
    def test_are_made_with_what_leads_to_them(self, fs: sqlfs.FileSystem) -> None:
        with pytest.raises(NotFound):
            fs.mkdir("/a/b/c")
        fs.mkdir("/a/b/c", parents=True)
        with pytest.raises(FileExistsError):
            fs.makedirs("/a/b/c")
        fs.makedirs("/a/b/c", exist_ok=True)
        fs.mkdir("/a/b/", exist_ok=True)
        for root in ("/", "/.", "/a/.."):
            fs.mkdir(root, exist_ok=True)
            with pytest.raises(AlreadyExists):
                fs.mkdir(root)
        fs.symlink("a", "/link")
        fs.mkdir("/link/b/d/e", parents=True)
        assert fs.is_dir("/a/b/d/e")
        fs.mkdir("/n//./../m/x/", parents=True)
        assert fs.is_dir("/n")
        assert fs.is_dir("/m/x")
        fs.symlink("gone", "/dangling")
        with pytest.raises(NotADirectory):
            fs.makedirs("/dangling/x/y")

    def test_are_no_files(self, fs: sqlfs.FileSystem) -> None:
        fs.write_bytes("/file", b"")
        with pytest.raises(AlreadyExists):
            fs.mkdir("/file", exist_ok=True)
        with pytest.raises(NotADirectoryError):
            fs.makedirs("/file/dir/sub")
        for action in (fs.listdir, fs.scandir, fs.rmdir, fs.rmtree):
            with pytest.raises(NotADirectory):
                action("/file")

    def test_far_deeper_than_pythons_stack(self, fs: sqlfs.FileSystem) -> None:
        path = "/d" * 1500
        fs.makedirs(path)
        assert fs.is_dir(path)
        fs.copy("/d", "/copy")
        assert sum(1 for _ in fs.walk("/copy")) == 1500
        fs.rmtree("/d")
        assert fs.listdir() == ["copy"]

    def test_of_many_pages_are_listed_whole(self, fs: sqlfs.FileSystem) -> None:
        names = [f"{number}" for number in range(2 * PAGE_ENTRIES + 3)]
        for name in names:
            fs.mknod(f"/{name}")
        assert fs.listdir() == names
        with fs.scandir() as entries:
            for entry in entries:
                fs.remove(entry)  # what was read is not read again
        assert fs.listdir() == []

    def test_give_entries_as_os_does(self, fs: sqlfs.FileSystem, tree: Path) -> None:
        def shown(entries: object) -> object:
            return sorted(
                (
                    entry.name,
                    os.fspath(entry)[-len(entry.name) - 2 :],
                    [kind(follow_symlinks=flag) for kind in kinds for flag in (True, False)],
                    entry.is_symlink(),
                    entry.stat(follow_symlinks=False).st_mode,
                )
                for entry in entries  # type: ignore[attr-defined]
                if (kinds := (entry.is_dir, entry.is_file))
            )

        assert shown(fs.scandir("/a")) == shown(os.scandir(tree / "a"))
        by_name = {entry.name: entry for entry in fs.scandir("/a")}
        assert by_name["to_b"].stat().st_ino == fs.stat("/a/b").st_ino
        assert by_name["b"].inode() == fs.stat("/a/b").st_ino
        with pytest.raises(NotFound):
            by_name["dangling"].stat()


@pytest.mark.parametrize("topdown", [True, False])
@pytest.mark.parametrize("followlinks", [True, False])
def test_walks_as_os_does(
    fs: sqlfs.FileSystem, tree: Path, topdown: bool, followlinks: bool
) -> None:
    fs.remove("/a/b/up")
    (tree / "a/b/up").unlink()

    def shown(walk: object, root: str) -> list[object]:
        return [
            (folder.removeprefix(root).rstrip("/"), sorted(folders), sorted(files))
            for folder, folders, files in walk  # type: ignore[attr-defined]
        ]

    ours = shown(fs.walk("/", topdown, None, followlinks), "/")
    real = shown(os.walk(tree, topdown, None, followlinks), f"{tree}/")
    real = [(folder.removeprefix(str(tree)), *rest) for folder, *rest in real]  # type: ignore
    assert sorted(ours) == sorted(real)
    depth = [folder.count("/") + bool(folder) for folder, *_ in ours]  # type: ignore
    assert depth[0 if topdown else -1] == 0


def test_a_walk_can_be_pruned_and_tells_errors(fs: sqlfs.FileSystem, tree: Path) -> None:
    del tree
    seen = []
    for folder, folders, _ in fs.walk("/"):
        seen.append(folder)
        folders[:] = [name for name in folders if name != "b"]
    assert sorted(seen) == ["/", "/a", "/a/empty"]
    errors: list[SqlfsError] = []
    assert list(fs.walk("/gone")) == []
    assert list(fs.walk("/gone", onerror=errors.append)) == []
    assert isinstance(errors[0], NotFound)


class TestMoving:
    def test_replaces_what_was_there(self, fs: sqlfs.FileSystem) -> None:
        fs.write_bytes("/one", b"1")
        fs.write_bytes("/two", b"2")
        with pytest.raises(AlreadyExists):
            fs.rename("/one", "/two", noreplace=True)
        fs.rename("/one", "/two")
        assert fs.listdir() == ["two"]
        assert fs.read_bytes("/two") == b"1"
        fs.replace("/two", "/three")
        assert fs.read_bytes("/three") == b"1"

    def test_of_directories_takes_slashes(self, fs: sqlfs.FileSystem) -> None:
        fs.mkdir("/dir")
        fs.rename("/dir/", "/new/")
        fs.write_bytes("/file", b"")
        for source, destination in (("/file/", "/x"), ("/file", "/x/")):
            with pytest.raises(NotADirectory):
                fs.rename(source, destination)
        assert fs.listdir() == ["new", "file"]

    @pytest.mark.parametrize("path", ["/", "/dir/.", "/dir/.."])
    def test_of_what_is_no_entry_is_refused(self, fs: sqlfs.FileSystem, path: str) -> None:
        fs.mkdir("/dir")
        for action in (fs.remove, fs.rmdir, fs.rmtree, lambda p: fs.rename(p, "/x")):
            with pytest.raises(Invalid):
                action(path)
        with pytest.raises(Invalid):
            fs.rename("/dir", "/dir/sub")


class TestLinks:
    def test_are_names_of_one_node(self, fs: sqlfs.FileSystem) -> None:
        fs.write_bytes("/one", b"content")
        fs.link("/one", "/two")
        assert fs.stat("/one").st_ino == fs.stat("/two").st_ino
        assert fs.stat("/one").st_nlink == 2
        fs.symlink("one", "/sym")
        fs.link("/sym", "/sym2")
        assert fs.readlink("/sym2") == "one"
        fs.mkdir("/dir")
        with pytest.raises(NotPermitted):
            fs.link("/dir", "/dir2")

    def test_need_a_place(self, fs: sqlfs.FileSystem) -> None:
        fs.write_bytes("/one", b"")
        with pytest.raises(AlreadyExists):
            fs.symlink("x", "/one")
        with pytest.raises(NotADirectory):
            fs.symlink("x", "/new/")
        with pytest.raises(Invalid):
            fs.readlink("/one")


class TestCopying:
    def test_a_file_keeps_what_it_has(self, fs: sqlfs.FileSystem) -> None:
        fs.write_bytes("/one", b"content" * 5000)
        fs.chmod("/one", 0o4750)
        fs.utime("/one", ns=(1, 2))
        fs.setxattr("/one", "user.x", b"y")
        fs.copy("/one", "/two")
        ours, theirs = fs.stat("/one"), fs.stat("/two")
        assert ours.st_ino != theirs.st_ino
        assert (ours.st_mode, ours.st_mtime_ns) == (theirs.st_mode, theirs.st_mtime_ns)
        assert fs.getxattr("/two", "user.x") == b"y"
        fs.write_bytes("/one", b"changed")
        assert fs.read_bytes("/two") == b"content" * 5000

    def test_replaces_a_file_in_one_instant(self, fs: sqlfs.FileSystem) -> None:
        fs.write_bytes("/one", b"1")
        fs.write_bytes("/two", b"2")
        with fs.open("/two") as before:
            fs.copy("/one", "/two")
            assert before.read() == b"2"
        assert fs.read_bytes("/two") == b"1"
        assert sorted(fs.listdir()) == ["one", "two"]
        fs.link("/one", "/same")
        with pytest.raises(Invalid):
            fs.copy("/one", "/same")
        fs.mkdir("/dir")
        with pytest.raises(IsADirectory):
            fs.copy("/one", "/dir")
        with pytest.raises(AlreadyExists):
            fs.copy("/dir", "/two")

    def test_of_symlinks_follows_if_asked(self, fs: sqlfs.FileSystem) -> None:
        fs.write_bytes("/one", b"1")
        fs.symlink("one", "/link")
        fs.copy("/link", "/as_link")
        fs.copy("/link", "/as_file", follow_symlinks=True)
        assert fs.readlink("/as_link") == "one"
        assert not fs.is_symlink("/as_file")

    def test_a_tree_is_the_same_tree(self, fs: sqlfs.FileSystem, tree: Path) -> None:
        del tree
        fs.link("/a/two", "/a/b/linked")
        fs.mknod("/a/fifo", stat.S_IFIFO | 0o600)
        fs.setxattr("/a/b", "user.x", b"y")
        fs.chmod("/a/b", 0o2711)
        fs.chown("/a/b", 12, 34)
        fs.utime("/a/b", ns=(11, 22))
        fs.copy("/a", "/copy")

        def shown(root: str) -> object:
            return {
                path.removeprefix(root): (
                    st.st_mode, st.st_uid, st.st_gid, st.st_nlink, st.st_size, st.st_mtime_ns,
                    fs.listxattr(path, follow_symlinks=False),
                    fs.read_bytes(path) if stat.S_ISREG(st.st_mode) else None,
                    fs.readlink(path) if stat.S_ISLNK(st.st_mode) else None,
                )
                for folder, folders, files in fs.walk(root)
                for path in [folder, *(f"{folder}/{name}" for name in (*folders, *files))]
                for st in [fs.lstat(path)]
            }  # fmt: skip

        assert shown("/copy") == shown("/a")
        assert fs.stat("/copy/two").st_ino == fs.stat("/copy/b/linked").st_ino
        assert fs.stat("/copy/two").st_ino != fs.stat("/a/two").st_ino

    def test_a_tree_inherits_no_acl_where_it_lands(self, fs: sqlfs.FileSystem, tree: Path) -> None:
        del tree
        entries = ((1, 7, 2**32 - 1), (4, 5, 2**32 - 1), (32, 0, 2**32 - 1))
        acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
        fs.mkdir("/there")
        fs.setxattr("/there", "system.posix_acl_default", acl)
        fs.copy("/a", "/there/copy")
        for path in ("/there/copy", "/there/copy/b"):
            assert fs.listxattr(path) == []

    @pytest.mark.parametrize("inside", ["/a/copy", "/a/b/copy", "/link/copy"])
    def test_a_tree_into_itself_is_refused(self, fs: sqlfs.FileSystem, inside: str) -> None:
        fs.makedirs("/a/b")
        fs.symlink("a/b", "/link")
        with pytest.raises(Invalid):
            fs.copy("/a", inside)
        assert fs.listdir("/a/b") == []
        with pytest.raises(Invalid):
            fs.copy("/", "/a/copy")


class TestRemoving:
    def test_takes_names_away(self, fs: sqlfs.FileSystem) -> None:
        fs.write_bytes("/one", b"")
        fs.mkdir("/dir")
        with pytest.raises(IsADirectory):
            fs.remove("/dir")
        with pytest.raises(NotADirectory):
            fs.remove("/one/")
        with pytest.raises(NotFound):
            fs.remove("/two")
        fs.unlink("/one")
        fs.write_bytes("/dir/file", b"")
        with pytest.raises(NotEmpty):
            fs.rmdir("/dir")
        fs.remove("/dir/file")
        fs.rmdir("/dir/")
        assert fs.listdir() == []

    def test_of_a_tree_follows_no_symlink(self, fs: sqlfs.FileSystem, tree: Path) -> None:
        del tree
        fs.symlink("/a", "/a/b/c/out")
        fs.symlink("a", "/link")
        with pytest.raises(NotADirectory):
            fs.rmtree("/link")
        fs.makedirs("/kept/sub")
        fs.symlink("/kept", "/a/kept")
        for number in range(PAGE_ENTRIES + 5):
            fs.makedirs(f"/a/wide/{number}")
        fs.rmtree("/a")
        assert sorted(fs.listdir()) == ["kept", "link", "three"]
        assert fs.listdir("/kept") == ["sub"]


def test_new_nodes_belong_to_the_process(
    fs: sqlfs.FileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12)
    monkeypatch.setattr(os, "getegid", lambda: 34)
    before = os.umask(0o027)
    try:
        fs.write_bytes("/file", b"")
        fs.mkdir("/dir")
        fs.mknod("/fifo", stat.S_IFIFO | 0o666)
        assert places._umask() == 0o027
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(fs.stat(path).st_mode) for path in ("/file", "/dir", "/fifo")]
    assert modes == [0o640, 0o750, 0o640]
    assert {(fs.stat(p).st_uid, fs.stat(p).st_gid) for p in ("/file", "/dir")} == {(12, 34)}
