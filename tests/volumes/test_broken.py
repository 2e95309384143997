"""The broken volumes are found to be what their documents say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.running import fail, sqlfs
from tests.volumes import broken
from tests.volumes.make import BROKEN, GOLDEN
from tests.volumes.test_golden import ANEW
from tests.volumes.verdict import copied, judge

NAMES = sorted(broken.FILES)


def expected(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((BROKEN / f"{name}.json").read_text())
    return document


def test_all_files_are_there() -> None:
    files = {path.stem for path in BROKEN.glob("*.sqlite")}
    assert files == {path.stem for path in BROKEN.glob("*.json")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_as_its_document_says(name: str) -> None:
    document, plan = expected(name), broken.FILES[name]
    sound = GOLDEN / f"{document['made_of']}.json"
    found = {"about": plan.about, "made_of": plan.made_of}
    found |= judge(BROKEN / f"{name}.sqlite", broken.passphrase(plan), sound)
    assert json.loads(json.dumps(found)) == document, ANEW


@pytest.mark.parametrize("name", NAMES)
def test_damage_shows(name: str) -> None:
    """Each damage is told of: at the door, by a notice, by a check."""
    document = expected(name)
    shows = (
        "no" in (document["opens"], document.get("unlocks"))
        or document["notice"]
        or document["findings"]
        or document["deep_findings"]
    )
    assert bool(shows) == (name != "unknown-optional-feature")


def test_the_command_finds_the_same() -> None:
    with copied(BROKEN / "nodes-swapped.sqlite") as path:
        done = sqlfs("check", "--deep", "--json", path)
    found = {(finding["check"], finding["what"]) for finding in done.json["findings"]}
    document = expected("nodes-swapped")
    told = [*document["findings"], *document["deep_findings"]]
    assert (done.code, found) == (5, {(each["check"], each["what"]) for each in told})


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("newer-format", 7, "newer than the"),
        ("unknown-feature", 7, "hindsight"),
        ("not-sqlite", 7, "not a sqlfs volume file"),
        ("trigger", 5, "damaged|schema"),
        ("truncated", 5, "truncated"),
    ],
)
def test_the_command_refuses_by_name(name: str, code: int, says: str) -> None:
    with copied(BROKEN / f"{name}.sqlite") as path:
        fail("ls", path, code=code, says=says)
