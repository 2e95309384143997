"""The bytes of files on a mount, beside a real directory."""

from __future__ import annotations

from tests.oracle.content import ContentMachine
from tests.oracle.machine import run
from tests.oracle.pair import Pair


def test_content_comes_out_the_same(pair: Pair) -> None:
    run(ContentMachine, pair, examples=20)
