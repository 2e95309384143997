"""What all tests of copies need."""

from __future__ import annotations

from tests.mount.conftest import mount, reachable

__all__ = ["mount", "reachable"]
