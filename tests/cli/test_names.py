"""Looking at a volume and changing its names: ls, tree, stat, mkdir, cp, mv, rm, ln."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import sqlfs as api
from sqlfs.cli.listing import SORTED_ENTRIES_MAX
from tests.cli.running import at_terminal, fail, succeed

ODD = b"new\nline-\xff"


@pytest.fixture
def filled(shared_file: Path, tree: Path) -> Path:
    """A file whose volume has a copy of the local tree at its root."""
    succeed("put", "-r", shared_file, tree, "/")
    return shared_file


def listed(file: Path, *words: str) -> list[str]:
    return succeed("ls", file, *words).lines


def test_ls(filled: Path) -> None:
    assert listed(filled) == ["tree"]
    assert listed(filled, "tree/folder") == ["data", "empty", "none", "up"]
    assert listed(filled, "-a", "/tree/folder") == [".hidden", "data", "empty", "none", "up"]
    assert listed(filled, "/tree/note.txt") == ["/tree/note.txt"]
    assert listed(filled, "/tree/folder/empty", "/tree/folder/none") == [
        "/tree/folder/empty:",
        "/tree/folder/none",
    ]


def test_ls_recursive(filled: Path) -> None:
    assert listed(filled, "-R", "/tree") == [
        "/tree:", "another-name", "folder", "leads-away", "note.txt", "",
        "/tree/folder:", "data", "empty", "none", "up", "",
        "/tree/folder/empty:",
    ]  # fmt: skip


def test_ls_long(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    lines = listed(filled, "-l", "/tree", "/tree/folder")
    (note,) = [line.split() for line in lines if line.endswith(" note.txt")]
    assert note[:2] == ["-rw-r-----", "2"]
    assert note[4] == "6"
    (data,) = [line.split() for line in listed(filled, "-lh", "/tree/folder") if "data" in line]
    assert data[4] == "1.2M"
    assert any(line.endswith(" leads-away -> /nowhere/at/all") for line in lines)
    assert any(line.startswith("drwxr-x---") and line.endswith(" folder") for line in lines)


def test_ls_json(filled: Path, tree: Path) -> None:
    entries = {it["path"]: it for it in succeed("ls", "-R", "-a", "--json", filled).json}
    local = {f"/tree/{path.relative_to(tree)}": path for path in tree.rglob("*")}
    assert set(entries) == {"/tree", *local}
    for path, place in local.items():
        entry, status = entries[path], place.lstat()
        assert entry["mode"] == f"{status.st_mode & 0o7777:04o}"
        assert entry["mtime_ns"] == status.st_mtime_ns
        assert (entry["uid"], entry["gid"]) == (status.st_uid, status.st_gid)
        if not place.is_dir():
            assert (entry["size"], entry["nlink"]) == (status.st_size, status.st_nlink)
    assert entries["/tree/leads-away"]["type"] == "symlink"
    assert entries["/tree/leads-away"]["target"] == "/nowhere/at/all"
    assert entries["/tree/note.txt"]["node"] == entries["/tree/another-name"]["node"]
    assert "target" not in entries["/tree/note.txt"]


def test_ls_goes_on_after_what_is_missing(filled: Path) -> None:
    outcome = fail("ls", filled, "/missing", "/tree/folder/empty", code=3, says="'/missing'")
    assert outcome.lines == ["/tree/folder/empty:"]


def test_an_empty_list_is_json(shared_file: Path) -> None:
    assert succeed("ls", "--json", shared_file).json == []
    assert succeed("tree", "--json", shared_file).json == []


def test_a_directory_too_large_to_sort(file: Path) -> None:
    names = [f"{number:06d}" for number in range(SORTED_ENTRIES_MAX + 10, 0, -1)]
    with api.open(file) as store, store.mount("main") as files:
        for name in names:
            files.symlink("x", f"/{name}")
    assert listed(file) == names


def test_tree(filled: Path) -> None:
    assert succeed("tree", filled, "/tree").lines == [
        "/tree",
        "├── another-name",
        "├── folder",
        "│   ├── data",
        "│   ├── empty",
        "│   ├── none",
        "│   └── up -> ../note.txt",
        "├── leads-away -> /nowhere/at/all",
        "└── note.txt",
        "",
        "2 directories, 6 files",
    ]
    assert succeed("tree", "--depth", "1", filled).lines[1:] == [
        "└── tree",
        "",
        "1 directory, 0 files",
    ]
    paths = [it["path"] for it in succeed("tree", "-a", "--json", filled, "/tree/folder").json]
    assert paths == [f"/tree/folder/{name}" for name in (".hidden", "data", "empty", "none", "up")]
    fail("tree", filled, "/tree/note.txt", code=1, says="not a directory")


def test_stat(filled: Path) -> None:
    rows = dict(line.split(":", 1) for line in succeed("stat", filled, "/tree/note.txt").lines)
    assert rows["path"].strip() == "/tree/note.txt"
    assert rows["mode"].strip() == "0640 (-rw-r-----)"
    assert rows["links"].strip() == "2"
    link, target = succeed("stat", "--json", filled, "/tree/folder/up", "/tree/note.txt").json
    assert (link["type"], link["target"], target["type"]) == ("symlink", "../note.txt", "file")
    (followed,) = succeed("stat", "-L", "--json", filled, "/tree/folder/up").json
    assert followed["node"] == target["node"]
    assert followed["allocated"] % 512 == 0
    fail("stat", filled, "/tree/leads-away", "-L", code=3, says="leads-away")


def test_mkdir(shared_file: Path) -> None:
    succeed("mkdir", shared_file, "/a", "b", "-m", "1750")
    assert {it["mode"] for it in succeed("stat", "--json", shared_file, "/a", "/b").json} == {
        "1750"
    }
    fail("mkdir", shared_file, "/a", code=1, says="'/a'.*exists")
    fail("mkdir", shared_file, "/c/d", code=3, says="'/c/d'")
    succeed("mkdir", "-p", shared_file, "/c/d", "/a")
    assert listed(shared_file, "-R") == ["/:", "a", "b", "c", "", "/a:", "", "/b:", "", "/c:", "d",
                                         "", "/c/d:"]  # fmt: skip


def test_mv(filled: Path) -> None:
    succeed("mv", filled, "/tree/note.txt", "/tree/renamed")
    succeed("mv", filled, "/tree/renamed", "/tree/leads-away", "/tree/folder/empty/")
    assert listed(filled, "/tree/folder/empty") == ["leads-away", "renamed"]
    fail(
        "mv", "-n", filled, "/tree/another-name", "/tree/folder/data", code=1, says="exists|already"
    )
    fail("mv", filled, "/tree", "/tree/folder", code=1, says="'/tree/folder/tree'")
    fail("mv", filled, "/missing", "/x", code=3, says="'/missing'")
    fail("mv", filled, "/tree/another-name", "/nowhere/", code=1, says="not a directory")
    assert listed(filled, "/tree") == ["another-name", "folder"]


def test_cp_shares_content(filled: Path) -> None:
    content = os.urandom(2_000_000)
    succeed("put", filled, "-", "/big", given=content)
    before = succeed("df", "--json", filled).json["bytes_used"]
    succeed("cp", filled, "/big", "/twin")
    succeed("cp", "-r", filled, "/tree", "/copy")
    assert succeed("df", "--json", filled).json["bytes_used"] - before < 500_000
    assert succeed("cat", filled, "/twin").output == content
    assert listed(filled, "-a", "/copy/folder") == listed(filled, "-a", "/tree/folder")


def test_cp(filled: Path) -> None:
    succeed("cp", filled, "/tree/folder/up", "/followed")
    succeed("cp", "-r", filled, "/tree/folder/up", "/kept")
    followed, kept = succeed("stat", "--json", filled, "/followed", "/kept").json
    assert (followed["type"], followed["mode"], kept["type"]) == ("file", "0640", "symlink")
    succeed("cp", filled, "/tree/folder/data", "/followed")
    assert succeed("stat", "--json", filled, "/followed").json[0]["size"] == 256 * 5000
    fail("cp", filled, "/tree", "/x", code=1, says="cp -r")
    fail("cp", "-r", filled, "/tree", "/tree/folder", code=1, says="into itself")
    succeed("cp", "-r", filled, "/tree", "/followed-not")
    fail(
        "cp", filled, "/tree/note.txt", "/tree/folder", "/followed", code=1, says="not a directory"
    )


def test_rm(filled: Path) -> None:
    fail("rm", filled, "/tree", code=1, says="rm -r")
    fail("rm", filled, "/missing", code=3, says="'/missing'")
    fail("rm", "-r", filled, "/", code=1, says="'/'")
    succeed("rm", "-f", filled, "/missing", "/tree/missing")
    succeed("rm", filled, "/tree/note.txt", "tree/leads-away")
    assert listed(filled, "/tree") == ["another-name", "folder"]
    succeed("rm", "-rf", filled, "/tree", "/missing")
    assert listed(filled) == []


def test_ln(filled: Path) -> None:
    succeed("ln", filled, "/tree/note.txt", "/linked")
    succeed("ln", "-s", filled, "../anywhere", "/symbolic")
    succeed("ln", filled, "/tree/folder/none", "/")
    linked, symbolic, none = succeed("stat", "--json", filled, "/linked", "/symbolic", "/none").json
    assert (linked["nlink"], none["nlink"], symbolic["target"]) == (3, 2, "../anywhere")
    fail("ln", filled, "/tree/note.txt", "/linked", code=1, says="'/linked'")
    fail("ln", filled, "/tree", "/twin", code=4, says="'/twin'")


def test_names_of_any_bytes(filled: Path) -> None:
    odd = b"/" + ODD
    succeed("mkdir", filled, odd)
    succeed("put", filled, "-", odd + b"/" + ODD, given=b"x")
    assert succeed("ls", filled, odd).output == ODD + b"\n"
    assert [it["path"] for it in succeed("ls", "--json", filled, odd).json] == [
        (odd + b"/" + ODD).decode("utf-8", "surrogateescape")
    ]
    assert succeed("cat", filled, odd + b"/" + ODD).output == b"x"
    fail("cat", filled, odd, code=1, says=r"new\\\\?(x0a|n)line")
    succeed("rm", "-r", filled, odd)
    assert listed(filled) == ["tree"]


def test_names_at_a_terminal(filled: Path) -> None:
    succeed("mkdir", filled, b"/" + ODD)
    shown = at_terminal("ls", filled)
    assert (shown.code, shown.lines) == (0, [r"$'new\x0aline-\xff'", "tree"])
