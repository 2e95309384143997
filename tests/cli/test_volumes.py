"""Making volumes, choosing among them, and what is told of them."""

from __future__ import annotations

from pathlib import Path

import pytest

import sqlfs as api
from tests.cli.conftest import PASSPHRASE
from tests.cli.running import fail, sqlfs, succeed

FIELDS = {
    "name",
    "uuid",
    "encrypted",
    "dedupe",
    "compression",
    "chunk_size",
    "created_ns",
    "nodes",
    "bytes",
}
UNLOCK = {"PASSPHRASE": PASSPHRASE}


def test_init_makes_a_file_with_a_plain_volume(tmp_path: Path) -> None:
    path = tmp_path / "new.sqlite"
    described = succeed("init", path, "--json").json
    assert described.pop("path") == str(path)
    assert set(described) == FIELDS
    assert (described["name"], described["encrypted"], described["dedupe"]) == ("main", False, True)
    assert (described["nodes"], described["bytes"]) == (1, 0)
    assert succeed("volumes", path, "--json").json == [described]


def test_init_adds_volumes_with_settings(shared_file: Path) -> None:
    text = succeed(
        "init", f"{shared_file}:more", "--chunk-size", "64K", "--no-dedupe", "--compress"
    ).text
    assert text == f"made plain volume more in {shared_file}\n"
    (more,) = [it for it in succeed("volumes", shared_file, "--json").json if it["name"] == "more"]
    assert (more["chunk_size"], more["dedupe"], more["compression"]) == (65536, False, 1)
    assert (
        "more: plain, no dedupe, compressed, chunks of 64K, 1 nodes"
        in succeed("volumes", shared_file).text
    )


def test_init_refuses_a_name_that_is_taken(shared_file: Path) -> None:
    fail("init", shared_file, code=1, says="'main' already")


@pytest.mark.parametrize(
    "words", [["--volume", "a/b"], ["--volume", ""], ["--chunk-size", "5000"]], ids=str
)
def test_init_makes_no_file_for_a_volume_that_cannot_be(tmp_path: Path, words: list[str]) -> None:
    path = tmp_path / "new.sqlite"
    fail("init", path, *words, code=1, says="volume's name|chunk size")
    assert list(tmp_path.iterdir()) == []


def test_init_where_no_file_can_be(tmp_path: Path) -> None:
    fail("init", tmp_path / "no" / "such" / "folder", code=3, says="can't create")


def test_one_volume_needs_no_name_and_several_do(shared_file: Path) -> None:
    succeed("init", shared_file, "--volume", "more")
    fail("ls", shared_file, code=2, says="several volumes .'main', 'more'.")
    fail("ls", f"{shared_file}:neither", code=3, says="no volume 'neither'")
    succeed("mkdir", f"{shared_file}:more", "/in-more")
    assert succeed("ls", "--volume", "more", shared_file).lines == ["in-more"]
    assert succeed("ls", f"{shared_file}:main").lines == []


def test_a_path_with_a_colon_wins(file: Path, tmp_path: Path) -> None:
    with_colon = tmp_path / "a:main"
    file.rename(with_colon)
    succeed("mkdir", with_colon, "/x")
    assert succeed("ls", f"{with_colon}:main").lines == ["x"]


def test_a_file_without_volumes(tmp_path: Path) -> None:
    path = tmp_path / "empty.sqlite"
    api.open(path, create=True).close()
    assert succeed("volumes", path, "--json").json == []
    fail("ls", path, code=3, says="no volume.*sqlfs init")


def test_info(shared_file: Path) -> None:
    described = succeed("info", shared_file, "--json").json
    assert {
        "path", "format", "generation", "read_only", "bytes", "free_bytes", "log_bytes",
        "page_size", "owner_pid", "volumes", "mounts",
    } <= set(described)  # fmt: skip
    assert (described["path"], described["format"]) == (str(shared_file), 1)
    assert described["bytes"] == shared_file.stat().st_size
    assert [set(volume) for volume in described["volumes"]] == [FIELDS]
    text = succeed("info", shared_file).text
    assert f"({described['bytes'] // 1024}K)" in text
    assert "volume     main: plain" in text


def test_what_a_locked_volume_does_not_tell(encrypted_file: Path) -> None:
    (volume,) = succeed("volumes", encrypted_file, "--json").json
    assert (volume["encrypted"], volume["nodes"], volume["bytes"]) == (True, None, None)
    assert "locked" in succeed("info", encrypted_file).text


def test_sessions_of_others(file: Path) -> None:
    assert succeed("mounts", file, "--json").json == []
    with api.open(file) as store, store.mount("main", read_only=True):
        (mount,) = succeed("mounts", file, "--json").json
        assert set(mount) == {
            "volume", "door", "where", "subdir", "pid", "read_only", "started_ns"
        }  # fmt: skip
        assert (mount["volume"], mount["door"], mount["read_only"]) == ("main", "api", True)
        assert f"main: in use (api) by pid {mount['pid']}" in succeed("mounts", file).text
        assert f"owner:     pid {mount['pid']}" in succeed("info", file).text


def test_df(shared_file: Path) -> None:
    succeed("put", shared_file, "-", "/x", given=b"0" * 1_000_000)
    described = succeed("df", shared_file, "--json").json
    assert described["volume"] == "main"
    assert described["nodes_used"] == 2
    assert 0 < described["bytes_free"] < described["bytes"]
    heads, cells = (line.split() for line in succeed("df", shared_file).lines)
    assert heads == ["SIZE", "USED", "FREE", "USE%", "NODES", "VOLUME"]
    assert cells[1] == str(described["bytes_used"])
    assert cells[4:] == ["2", "main"]
    human = succeed("df", "-h", shared_file).lines[1].split()
    assert human[2][-1] in "KMGTPE"


def test_check_of_a_sound_file(shared_file: Path, tree: Path) -> None:
    succeed("put", "-r", shared_file, tree, "/")
    assert succeed("check", shared_file).lines == ["no findings"]
    assert succeed("check", "--deep", shared_file, "--json").json == {
        "sound": True,
        "locked_volumes": [],
        "findings": [],
    }


def damage(file: Path, content: bytes) -> None:
    """Change one byte of what is stored of `content`."""
    raw = bytearray(file.read_bytes())
    place = raw.index(content[1000:1100])
    raw[place] ^= 1
    file.write_bytes(raw)


def test_check_of_a_damaged_file(file: Path, tmp_path: Path) -> None:
    content = b"".join(b"%016d" % number for number in range(20_000))
    succeed("put", file, "-", "/damaged", given=content)
    succeed("put", file, "-", "/sound", given=b"sound")
    damage(file, content)
    found = sqlfs("check", "--deep", file)
    assert (found.code, found.errors) == (5, "")
    assert found.lines[-1] == "1 finding"
    described = sqlfs("check", "--deep", "--json", file).json
    assert (described["sound"], len(described["findings"])) == (False, 1)
    assert set(described["findings"][0]) == {"check", "what", "message"}
    fail("cat", file, "/damaged", code=5, says="damaged|wrong|digest")
    taken = sqlfs("get", "-r", file, "/", tmp_path / "out")
    assert taken.code == 5
    assert taken.errors.count("\n") == 1
    assert (tmp_path / "out" / "sound").read_bytes() == b"sound"


def test_check_says_what_it_could_not_see(encrypted_file: Path) -> None:
    locked = sqlfs("check", encrypted_file)
    assert (locked.code, locked.lines) == (0, ["no findings"])
    assert "volume 'main' is locked" in locked.errors
    words = ["check", "--json", "--passphrase-env", "PASSPHRASE", encrypted_file]
    assert succeed(*words, environment=UNLOCK).json["locked_volumes"] == []
    fail("check", f"{encrypted_file}:main", code=4, says="passphrase")
