"""Check, repair, scrub, salvage, backup; later compact."""

from sqlfs.maintenance.backup import Backup, BackupPlace, ImageReader
from sqlfs.maintenance.check import check_file
from sqlfs.maintenance.findings import Finding, Progress
from sqlfs.maintenance.repair import Passphrases, Repair, repair_file
from sqlfs.maintenance.scrub import RATE_DEFAULT, ScrubStatus
from sqlfs.maintenance.upkeep import CheckProgress, Upkeep

__all__ = [
    "RATE_DEFAULT",
    "Backup",
    "BackupPlace",
    "CheckProgress",
    "Finding",
    "ImageReader",
    "Passphrases",
    "Progress",
    "Repair",
    "ScrubStatus",
    "Upkeep",
    "check_file",
    "repair_file",
]
