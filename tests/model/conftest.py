"""A clock so fine that every change of a time shows."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from sqlfs.namespace import clock


@pytest.fixture(autouse=True, scope="package")
def fine_clock() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "now_ns", time.time_ns)
        yield
