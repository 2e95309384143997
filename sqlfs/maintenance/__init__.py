"""Check; later repair, scrub, compact, backup."""

from sqlfs.maintenance.check import check_file
from sqlfs.maintenance.findings import Finding

__all__ = ["Finding", "check_file"]
