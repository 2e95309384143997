"""Names and attributes on a mount, beside a real directory."""

from __future__ import annotations

from tests.oracle.machine import run
from tests.oracle.names import NamesMachine
from tests.oracle.pair import Pair


def test_names_and_attributes_come_out_the_same(pair: Pair) -> None:
    run(NamesMachine, pair, examples=25)
