"""The broken volumes are repaired, or it is said why not; what was intact in them stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from sqlfs.errors import SqlfsError
from sqlfs.maintenance import repair_file
from sqlfs.volume import VolumeFile
from tests.volumes import broken
from tests.volumes.description import describe
from tests.volumes.make import BROKEN, GOLDEN
from tests.volumes.test_broken import expected
from tests.volumes.verdict import copied, judge

# What tells one file from another; times and links of directories change with what lies in them.
CONTENT: Final = ("type", "size", "sha256", "data", "target", "xattrs")
# What nothing can bring back: bytes, settings, keys.
HOPELESS: Final = frozenset(("content", "volume_unreadable", "volume_incomplete"))


def tree_of(path: Path, passphrase: bytes | None) -> dict[str, Any]:
    """Every entry of the only volume, by its path."""
    with VolumeFile.open(path, background=False, read_only=True) as file:
        (info,) = file.volumes()
        with file.session(info.name, passphrase=passphrase, read_only=True) as session:
            return {entry["path"]: entry for entry in describe(session)}


def content(entry: dict[str, Any]) -> dict[str, Any]:
    return {field: entry[field] for field in CONTENT if field in entry}


@pytest.mark.parametrize("name", sorted(broken.FILES))
def test_a_broken_volume(name: str) -> None:
    document = expected(name)
    passphrase = broken.passphrase(broken.FILES[name])
    sound = GOLDEN / f"{document['made_of']}.json"
    with copied(BROKEN / f"{name}.sqlite") as path:
        refused: SqlfsError | None = None
        try:
            done = repair_file(
                path,
                lambda volumes: {each.name: passphrase for each in volumes if passphrase},
                deep=True, apply=True, accept_state=True,
            )  # fmt: skip
        except SqlfsError as error:
            refused = error
        if refused is not None:
            assert "no" in (document["opens"], document.get("unlocks")), refused
            return
        remaining = {each.check for each in done.remaining}
        # A volume that does not open can't be judged, nor what belongs to it.
        assert remaining <= HOPELESS or "volume_unreadable" in remaining
        now = judge(path, passphrase, sound)
        if now.get("unlocks") != "yes":
            assert document.get("unlocks") != "yes"
            return
        told = {(each["check"], each["what"]) for each in [*now["findings"], *now["deep_findings"]]}
        assert told == {(each.check, each.what) for each in done.remaining}
        (volume,) = json.loads(sound.read_text())["volumes"]
        before = {entry["path"]: entry for entry in volume["tree"]}
        damaged = {each["path"] for each in document.get("differs", ())}
        found = tree_of(path, passphrase)
        for place, entry in before.items():
            if place not in damaged:
                assert content(found[place]) == content(entry), place
        new = found.keys() - before.keys()
        assert {place for place in new if "damaged-name-" not in place} <= {
            place for place in new if place.startswith("/lost%2Bfound")
        }
