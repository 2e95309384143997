"""Getting out all that is intact of a file, whatever became of the rest."""

from sqlfs.maintenance.salvage.destination import Destination
from sqlfs.maintenance.salvage.report import Loss, Recovered
from sqlfs.maintenance.salvage.rescue import Rescue
from sqlfs.maintenance.salvage.volumes import Traces, find_volumes, unlock

__all__ = ["Destination", "Loss", "Recovered", "Rescue", "Traces", "find_volumes", "unlock"]
