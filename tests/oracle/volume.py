"""Volumes that are unmounted again and again on a machine that others use, too."""

from __future__ import annotations

import subprocess

from tests.acceptance.volumes import Volume
from tests.mount.mounting import wait_until


class PatientVolume(Volume):
    def unmount(self) -> None:
        """umount(8), and wait until the file is whole."""
        # Whoever looks at all mounts, as df(1) does, keeps each busy for a moment.
        wait_until(self._could_unmount, "the mount is not busy any more")
        self.wait_ended()

    def _could_unmount(self) -> bool:
        done = subprocess.run(["umount", self.directory], capture_output=True, text=True)
        assert done.returncode == 0 or "busy" in done.stderr, done.stderr
        return done.returncode == 0
