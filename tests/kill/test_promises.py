"""What a writer's log promises, and that a broken promise is found."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.kill.promises import Promise
from tests.kill.writer import Step, steps, take

COUNT = 40


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "directory").mkdir()
    return tmp_path / "directory"


def logged(log: Path, done: list[Step], *begun: Step) -> Promise:
    lines = [f"done {json.dumps(asdict(step))}" for step in done]
    lines += [f"begun {json.dumps(asdict(step))}" for step in begun]
    log.write_text("".join(f"{line}\n" for line in lines))
    return Promise.read(log)


def test_what_was_done_is_what_is_promised(directory: Path, tmp_path: Path) -> None:
    done = steps(7)[:COUNT]
    for step in done:
        take(step, directory)
    promise = logged(tmp_path / "log", done)
    assert promise.acknowledged == COUNT
    assert {"append", "replace", "unlink", "write"} == {step.verb for step in done}
    assert promise.broken_in(directory) == []
    name = next(name for name, content in promise.files.items() if content)
    (directory / name).write_bytes(promise.files[name][:-1])
    assert len(promise.broken_in(directory)) == 1
    (directory / name).unlink()
    assert len(promise.broken_in(directory)) == 1


@pytest.mark.parametrize(
    ("verb", "allowed", "refused"),
    [
        ("write", [b"old", b"", b"new", b"ne"], [b"nex", None]),
        ("append", [b"old", b"oldne", b"oldnew"], [b"ol", b"", b"oldx", None]),
        ("replace", [b"old", b"new"], [b"", b"ne", None]),
        ("unlink", [b"old", None], [b"", b"ol"]),
    ],
)
def test_a_step_that_was_begun_may_have_been_taken(
    monkeypatch: pytest.MonkeyPatch,
    directory: Path,
    verb: str,
    allowed: list[bytes | None],
    refused: list[bytes | None],
) -> None:
    monkeypatch.setattr(Step, "data", b"new")
    promise = Promise({"file": b"old"}, Step(verb, "file"))
    for content in (*allowed, *refused):
        (directory / "file").unlink(missing_ok=True)
        if content is not None:
            (directory / "file").write_bytes(content)
        assert bool(promise.broken_in(directory)) == (content in refused), content
