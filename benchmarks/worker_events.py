"""Says when storage tells of a message, as the local Functions host hears of it: nobody has to ask at short intervals.

Asking the storage emulator a hundred times a second takes a quarter of a core, from it and from who asks: on a machine
of two cores that is a tenth of what a CPU-bound job is measured by.
"""

import json
import threading
import urllib.request
from http.client import HTTPException, HTTPResponse

from dropscore.contracts.names import QueueName

SILENCE_S = 20.0
"""The stream says something at least every 5 s."""


class Messages:
    """Listens to the emulator's stream of events, on a thread of its own, until the emulator ends."""

    def __init__(self, events_url: str, queue: QueueName) -> None:
        self._queue = queue
        self._came = threading.Event()
        stream: HTTPResponse = urllib.request.urlopen(events_url, timeout=SILENCE_S)
        assert json.loads(stream.readline())["change"] == "hello"
        threading.Thread(target=self._listen, args=(stream,), name="storage-events", daemon=True).start()

    def wait(self, timeout_s: float) -> bool:
        """Wait for a message on the queue that was not waited for yet, or for this long; whether one came."""
        came = self._came.wait(timeout_s)
        self._came.clear()
        return came

    def _listen(self, stream: HTTPResponse) -> None:
        try:
            for line in stream:
                event = json.loads(line)
                if event["change"] == "message" and event["queue"] == self._queue:
                    self._came.set()
        except (OSError, HTTPException):
            return  # the emulator has ended
