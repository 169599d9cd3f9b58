"""What a subscriber gets: the notification, signed, as the letter that a courier takes."""

from dropscore.cloud.courier import Letter
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.http.webhooks import Notification
from dropscore.contracts.signatures import EVENT, ID, SIGNATURE, sign
from dropscore.contracts.webhooks import RunNews, Subscription


def notification_of(news: RunNews, subscription: Subscription, *, test: bool = False) -> Notification:
    """What a subscriber reads of news. Addresses are those by which the subscriber reached the API."""
    run = f"{subscription.api}/runs/{news.run_id}"
    return Notification(
        id=news.id,
        event=news.event,
        at=news.at,
        run_id=news.run_id,
        status=news.status,
        workload=news.workload,
        items_total=news.items_total,
        items_done=news.items_done,
        items_failed=news.items_failed,
        run=run,
        results=f"{run}/outputs" if news.has_outputs else None,
        test=test,
    )


def letter_of(notification: Notification, subscription: Subscription, at: int) -> Letter:
    """The letter with a notification, signed for `at` (unix seconds): each time it is sent it is signed anew."""
    body = encode_bytes(notification)
    headers = {
        "Content-Type": "application/json",
        ID: notification.id,
        EVENT: str(notification.event),
        SIGNATURE: sign(subscription.secret, body, at),
    }
    return Letter(url=subscription.url, body=body, headers=headers)
