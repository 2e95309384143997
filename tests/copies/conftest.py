"""What all tests of copies need."""

from __future__ import annotations

from tests.cli.conftest import encrypted_file
from tests.mount.conftest import mount, mounted, reachable

__all__ = ["encrypted_file", "mount", "mounted", "reachable"]
