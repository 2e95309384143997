"""What a writer's log promises of its directory, and whether it was kept."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.kill.writer import Step


@dataclass
class Promise:
    """``files``: what was acknowledged; ``begun``: a step that may have been taken, or not."""

    files: dict[str, bytes] = field(default_factory=dict)
    begun: Step | None = None
    acknowledged: int = 0

    @classmethod
    def read(cls, log: Path) -> Self:
        promise = cls()
        for line in log.read_text().splitlines():
            word, _, rest = line.partition(" ")
            promise.begun = Step(**json.loads(rest))
            if word == "done":
                promise._keep(promise.begun)
                promise.begun = None
        return promise

    def _keep(self, step: Step) -> None:
        self.acknowledged += 1
        if step.verb == "unlink":
            del self.files[step.name]
        elif step.verb == "append":
            self.files[step.name] += step.data
        else:
            self.files[step.name] = step.data

    def broken_in(self, directory: Path) -> list[str]:
        """What is not as it was promised, one line each."""
        found = {path.name: path.read_bytes() for path in directory.iterdir()}
        found.pop("aside", None)
        return [
            f"{directory / name}: {_said(found.get(name))} where {_said(self.files.get(name))} was"
            f" acknowledged, and {self.begun} begun"
            for name in sorted(found.keys() | self.files.keys())
            if not self._may_be(name, found.get(name))
        ]

    def _may_be(self, name: str, content: bytes | None) -> bool:
        before = self.files.get(name)
        if content == before:
            return True
        step = self.begun
        if step is None or step.name != name:
            return False
        if step.verb == "unlink":
            return content is None
        if content is None:
            return False
        if step.verb == "replace":
            return content == step.data
        if step.verb == "append":
            whole = (before or b"") + step.data
            return len(content) >= len(before or b"") and whole.startswith(content)
        return step.data.startswith(content)


def _said(content: bytes | None) -> str:
    return "nothing" if content is None else f"{len(content)} bytes"
