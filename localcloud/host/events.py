"""Listens to the storage emulator's stream of events, so that triggers start in milliseconds without quick polling.

An event is a hint: listeners look at storage themselves, and look again from time to time anyway.
"""

import asyncio
import json
import logging
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from typing import Any

SILENCE_S = 20.0
"""The stream says something at least every 5 s; after this long without a word it is taken for dead."""
RETRY_S = 0.25

_LOG = logging.getLogger(__name__)

type Wake = Callable[[], None]


@dataclass(slots=True)
class StorageEvents:
    """Who is woken by what. All wakes are called in the event loop.

    `blobs` is keyed by account and container, `queues` by account and queue; a wake of `blobs` gets the blob's name,
    and None when everything is to be looked at, because events may have been missed.
    """

    loop: asyncio.AbstractEventLoop
    blobs: dict[tuple[str, str], Callable[[str | None], None]] = field(default_factory=dict)
    queues: dict[tuple[str, str], Wake] = field(default_factory=dict)
    connected: bool = False

    def follow(self, url: str) -> None:
        """Follow the stream at `url`, from a thread of its own, as long as the process lives."""
        threading.Thread(target=self._follow, args=(url,), name="storage-events", daemon=True).start()

    def _follow(self, url: str) -> None:
        while True:
            try:
                with urllib.request.urlopen(url, timeout=SILENCE_S) as stream:  # noqa: S310 - our own loopback address
                    self._listen(stream)
            except (OSError, HTTPException, ValueError) as error:
                _LOG.debug("The storage events were interrupted: %s", error)
            self.connected = False
            time.sleep(RETRY_S)

    def _listen(self, stream: HTTPResponse) -> None:
        for line in stream:
            event = json.loads(line)
            self.loop.call_soon_threadsafe(self._take, event)

    def _take(self, event: dict[str, Any]) -> None:
        match event["change"]:
            case "hello":
                self.connected = True
                self._wake_all()
            case "blob":
                if (listener := self.blobs.get((event["account"], event["container"]))) is not None:
                    listener(event["name"])
            case "message":
                if (wake := self.queues.get((event["account"], event["queue"]))) is not None:
                    self.loop.call_later(event["delay_s"], wake)

    def _wake_all(self) -> None:
        for listener in self.blobs.values():
            listener(None)
        for wake in self.queues.values():
            wake()
