"""Open, unlock, close; sessions and the POSIX verbs; the one place where a commit happens."""

from sqlfs.volume.direct import DirectSession
from sqlfs.volume.file import VolumeFile
from sqlfs.volume.session import Listener, Session

__all__ = ["DirectSession", "Listener", "Session", "VolumeFile"]
