"""The subscriptions of webhooks: one blob each, whose metadata tells what it is for, so that few are read.

A subscription that is deleted leaves an empty blob beside the list: who asks for the deletion twice is told the same
twice, and an id that never was is told apart.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from dropscore.cloud.ports import BlobStore
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.errors import NotFoundError
from dropscore.contracts.webhooks import RunNews, Subscription

MOST = 1_000
"""Most subscriptions of one deployment: each one is looked at for each news."""
READERS = 16
"""Subscriptions that are read at once where all are."""


class Subscriptions:
    """Reads and writes the subscriptions."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    def add(self, subscription: Subscription) -> None:
        """Store a new subscription."""
        path, data = layout.subscription(subscription.id), encode_bytes(subscription)
        self._blobs.create(path, data, metadata=_metadata(subscription))

    def get(self, webhook_id: str) -> Subscription | None:
        """A subscription; None when there is none of this id, or no more."""
        try:
            return decode(Subscription, self._blobs.get(layout.subscription(webhook_id)).data)
        except NotFoundError:
            return None

    def all(self) -> Iterator[Subscription]:
        """Every subscription, by id."""
        ids = [_id(info.path.name) for info in self._blobs.list(layout.subscriptions_prefix())]
        with ThreadPoolExecutor(READERS) as readers:
            yield from (one for one in readers.map(self.get, ids) if one is not None)

    def count(self) -> int:
        """How many there are."""
        return sum(1 for _ in self._blobs.list(layout.subscriptions_prefix()))

    def who_want(self, news: RunNews) -> tuple[str, ...]:
        """The ids of all subscriptions that news is to be told to."""
        listed = self._blobs.list(layout.subscriptions_prefix(), with_metadata=True)
        return tuple(_id(info.path.name) for info in listed if _wants(info.metadata, news))

    def remove(self, subscription: Subscription) -> None:
        """End a subscription."""
        self._blobs.put(layout.unsubscribed(subscription.id), b"", metadata=_owner(subscription.tenant))
        self._blobs.delete(layout.subscription(subscription.id))

    def was_removed(self, webhook_id: str, tenant: str | None) -> bool:
        """Whether there was a subscription of this id that this tenant (None: anybody) may know of."""
        info = self._blobs.head(layout.unsubscribed(webhook_id))
        return info is not None and (tenant is None or info.metadata.get("tenant", "") == tenant)


def _id(name: str) -> str:
    return name.removeprefix(layout.subscriptions_prefix().name).removesuffix(".json")


def _metadata(subscription: Subscription) -> Mapping[str, str]:
    return {
        "events": " ".join(subscription.events),
        "workload": subscription.workload or "",
        "run": subscription.run_id or "",
        **_owner(subscription.tenant),
    }


def _owner(tenant: str | None) -> dict[str, str]:
    return {"tenant": tenant or ""}


def _wants(metadata: Mapping[str, str], news: RunNews) -> bool:
    return (
        news.event in metadata.get("events", "").split()
        and metadata.get("workload", "") in ("", news.workload)
        and metadata.get("run", "") in ("", news.run_id)
        and metadata.get("tenant", "") in ("", news.tenant)
    )
