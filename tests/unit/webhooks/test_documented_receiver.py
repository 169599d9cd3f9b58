"""The receiver of docs/webhooks.md, run as it stands there."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from dropscore.cloud.letters import letter_of, notification_of
from dropscore.contracts.http.webhooks import WebhookEvent
from dropscore.contracts.run import RunStatus
from dropscore.contracts.signatures import SIGNATURE
from dropscore.contracts.webhooks import RunNews, Subscription

SECRET = "whsec_documented"
SUBSCRIPTION = Subscription(
    id=f"wh-{1:024x}",
    url="https://hooks.example.com/",
    events=(WebhookEvent.RUN_FINISHED,),
    created_at="2026-01-01T00:00:00.000000Z",
    secret=SECRET,
    api="https://api.example.com/api/v1",
)


def news(number: int) -> RunNews:
    return RunNews(
        id=f"ev-{number:024x}",
        event=WebhookEvent.RUN_FINISHED,
        at="2026-01-01T00:00:00.000000Z",
        run_id="film-0123456789abcdef",
        status=RunStatus.SUCCEEDED,
    )


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs" / "webhooks.md").read_text("utf-8")


def test_receiver_has_twenty_lines_or_so(page: str) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 22


@pytest.mark.fault(68)
def test_receiver_takes_what_we_send_once_and_refuses_what_is_forged_or_old(
    page: str, repository: Path, wait_until: Callable[..., None]
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, "WEBHOOK_SECRET": SECRET, "PORT": str(port), "PYTHONPATH": str(repository)}
    receiver = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        wait_until(lambda: listens(port))
        now = int(time.time())
        good = letter_of(notification_of(news(1), SUBSCRIPTION), SUBSCRIPTION, now)
        old = letter_of(notification_of(news(2), SUBSCRIPTION), SUBSCRIPTION, now - 400)
        other = letter_of(notification_of(news(3), SUBSCRIPTION), SUBSCRIPTION.model_copy(update={"secret": "x"}), now)
        url = f"http://127.0.0.1:{port}/"

        def post(body: bytes, headers: dict[str, str]) -> int:
            return httpx.post(url, content=body, headers=headers, timeout=10, trust_env=False).status_code

        assert [post(one.body, dict(one.headers)) for one in (good, good, old, other)] == [204, 204, 401, 401]
        assert post(good.body.replace(b"succeeded", b"cancelled"), dict(good.headers)) == 401
        assert post(good.body, {name: value for name, value in good.headers.items() if name != SIGNATURE}) == 401
    finally:
        receiver.terminate()
        said, _ = receiver.communicate(timeout=10)
    assert said == "run.finished film-0123456789abcdef succeeded\n", "once"


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_example_of_the_page_is_a_notification(page: str) -> None:
    from dropscore.contracts.codec import decode
    from dropscore.contracts.http.webhooks import Notification

    (example,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert decode(Notification, example).items_total == 120
