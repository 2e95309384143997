"""Check, repair, scrub, salvage; later compact, backup."""

from sqlfs.maintenance.check import check_file
from sqlfs.maintenance.findings import Finding, Progress
from sqlfs.maintenance.scrub import RATE_DEFAULT, ScrubStatus
from sqlfs.maintenance.upkeep import CheckProgress, Upkeep

__all__ = [
    "RATE_DEFAULT",
    "CheckProgress",
    "Finding",
    "Progress",
    "ScrubStatus",
    "Upkeep",
    "check_file",
]
