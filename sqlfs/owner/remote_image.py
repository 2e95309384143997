"""An image of the file, read by way of its owner."""

from __future__ import annotations

from sqlfs.owner.channel import Channel, proxied
from sqlfs.owner.verbs import Control


class RemoteImage:
    """Has `channel` for itself, and the image ends with it."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        try:
            self.size = self._open()
        except BaseException:
            channel.close()
            raise

    _open = proxied(Control.open_image)
    read = proxied(Control.read_image)

    def _channel_for(self, verb: str) -> Channel:
        del verb
        return self._channel

    def close(self) -> None:
        self._channel.close()
