"""Fixtures: a volume of each implementation, with one or two sessions on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sqlfs.volume.session import Session
from tests.contract.implementations import IMPLEMENTATIONS, Implementation, started

SessionFactory = Callable[..., Session]


@pytest.fixture(params=IMPLEMENTATIONS)
def implementation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Implementation]:
    with started(request.param, tmp_path) as implementation:
        yield implementation


@pytest.fixture
def session_factory(implementation: Implementation) -> Iterator[SessionFactory]:
    """Call it for a session on the one volume of the test; closed at its end."""
    sessions: list[Session] = []

    def make(*, read_only: bool = False, subdir: bytes = b"/") -> Session:
        sessions.append(implementation.session(read_only=read_only, subdir=subdir))
        return sessions[-1]

    yield make
    for session in sessions:
        session.close()


@pytest.fixture
def session(session_factory: SessionFactory) -> Session:
    return session_factory()


@pytest.fixture
def other(session_factory: SessionFactory) -> Session:
    """A second user of the same volume."""
    return session_factory()


@pytest.fixture
def reader(session_factory: SessionFactory) -> Session:
    """A read-only user of the same volume."""
    return session_factory(read_only=True)
