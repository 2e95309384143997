"""Findings of a check, for people and for programs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from sqlfs.cli import output
from sqlfs.maintenance import Finding


def show(findings: Sequence[Finding], indent: str = "") -> None:
    """One line each."""
    for finding in findings:
        output.line(f"{indent}{finding.what}: {finding.message} [{finding.check}]")


def fields(findings: Sequence[Finding]) -> list[dict[str, str]]:
    """As JSON has them: check, what, message."""
    return [dataclasses.asdict(finding) for finding in findings]


def counted(findings: Sequence[Finding]) -> str:
    """How many there are."""
    return f"{len(findings) or 'no'} finding{'' if len(findings) == 1 else 's'}"


def tell_locked(names: Sequence[str]) -> None:
    """Name the volumes that could not be looked at."""
    for name in names:
        output.complaint(
            f"volume {name!r} is locked: of it only what needs no key was checked;"
            " give its passphrase"
        )
