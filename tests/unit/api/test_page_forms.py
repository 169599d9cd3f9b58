"""Forms of the page: taken from our own pages alone, from who may, and done by the API's operations."""

import re

import httpx
import pytest
from api_client import ApiClient
from stored_runs import put_run

import function_app
from activities.ports import Ports
from dropscore.api.app import create_api
from dropscore.api.callers import Caller
from dropscore.api.operations import Access
from dropscore.api.services import PageOptions
from dropscore.cloud.memory import MemoryCloud
from dropscore.contracts import layout
from dropscore.contracts.messages import poison_record
from dropscore.contracts.names import POISON_QUEUES, QueueName
from dropscore.contracts.run import RunStatus

RUN = "film-0123456789abcdef"
OWN = {"sec-fetch-site": "same-origin"}
NORMAL = QueueName.SHARDS_NORMAL


class Browser:
    """Keeps the cookie and the token that it was given."""

    def __init__(self, api: ApiClient) -> None:
        self.api = api
        page = api.get("/poison")
        self.cookie = page.headers["set-cookie"]
        name, _, self.token = self.cookie.partition(";")[0].partition("=")
        self.sent = {"cookie": f"{name}={self.token}"}

    def post(self, path: str, headers: dict[str, str] | None = None, **fields: str) -> httpx.Response:
        given = {"token": self.token, **fields}
        return self.api.post(path, data=given, headers={**self.sent, **(OWN if headers is None else headers)})


class Viewers:
    """Everybody may look."""

    tenants = False
    scheme = "key"

    def caller(self, headers: object) -> Caller:
        return Caller(name="v", access=Access.VIEWER)


@pytest.fixture
def browser(api: ApiClient, memory: MemoryCloud) -> Browser:
    put_run(memory, RUN, RunStatus.SCORING)
    return Browser(api)


def is_cancelled(memory: MemoryCloud) -> bool:
    return memory.blobs.head(layout.cancel_mark(RUN)) is not None


def test_a_run_is_cancelled_and_the_page_shown_again(browser: Browser, memory: MemoryCloud) -> None:
    answer = browser.post(f"/runs/{RUN}/cancel")

    assert answer.status_code == 303
    assert answer.headers["location"] == f"http://app/runs/{RUN}?said=cancel"
    assert is_cancelled(memory)


def test_the_key_goes_on_behind_a_form(browser: Browser) -> None:
    answer = browser.post(f"/runs/{RUN}/suspend?code=s3cret")

    assert answer.headers["location"].endswith("said=suspend&code=s3cret")


def test_the_cookie_is_for_this_site_and_no_script(browser: Browser) -> None:
    assert "HttpOnly" in browser.cookie
    assert "SameSite=strict" in browser.cookie
    assert browser.cookie.startswith("dropscore-form=")


def test_a_page_has_the_cookie_s_secret_in_its_forms(browser: Browser) -> None:
    page = browser.api.send("GET", f"/runs/{RUN}", headers=browser.sent)

    assert set(re.findall(r'name="token" value="([^"]*)"', page.text)) == {browser.token}
    assert "set-cookie" not in page.headers


@pytest.mark.fault(70)
@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "http://app"},
        {"sec-fetch-site": "none"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {},
    ],
)
def test_forms_from_elsewhere_are_refused(browser: Browser, memory: MemoryCloud, headers: dict[str, str]) -> None:
    answer = browser.post(f"/runs/{RUN}/cancel", headers=headers)

    assert answer.status_code == 403
    assert "E-AUTH-FORBIDDEN" in answer.text
    assert not is_cancelled(memory)


def test_an_older_browser_says_the_origin(browser: Browser, memory: MemoryCloud) -> None:
    assert browser.post(f"/runs/{RUN}/cancel", headers={"origin": "http://app"}).status_code == 303
    assert is_cancelled(memory)


@pytest.mark.fault(70)
@pytest.mark.parametrize("token", ["", "x" * 32, "é"])
def test_a_form_without_the_cookie_s_secret_is_refused(browser: Browser, memory: MemoryCloud, token: str) -> None:
    assert browser.post(f"/runs/{RUN}/cancel", token=token).status_code == 403
    browser.sent = {}
    assert browser.post(f"/runs/{RUN}/cancel").status_code == 403
    assert not is_cancelled(memory)


def test_read_only_refuses_forms_too(ports: Ports, memory: MemoryCloud) -> None:
    put_run(memory, RUN, RunStatus.SCORING)
    services = function_app.assemble(ports, page=PageOptions(read_only=True)).services
    browser = Browser(ApiClient(create_api(lambda: services), memory.orchestrations))

    answer = browser.post(f"/runs/{RUN}/cancel")

    assert answer.status_code == 403
    assert "only shows" in answer.text
    assert not is_cancelled(memory)


def test_who_may_only_look_sees_no_buttons_and_is_refused(ports: Ports, memory: MemoryCloud) -> None:
    put_run(memory, RUN, RunStatus.SCORING)
    services = function_app.assemble(ports, callers=Viewers()).services
    browser = Browser(ApiClient(create_api(lambda: services), memory.orchestrations))

    assert 'method="post"' not in browser.api.get(f"/runs/{RUN}").text
    assert browser.post(f"/runs/{RUN}/cancel").status_code == 403
    assert not is_cancelled(memory)


def test_what_cannot_be_done_is_told_on_a_page(browser: Browser, memory: MemoryCloud) -> None:
    put_run(memory, RUN, RunStatus.SUCCEEDED)

    answer = browser.post(f"/runs/{RUN}/cancel")

    assert answer.status_code == 409
    assert "E-RUN-ENDED" in answer.text


def test_a_replay_sent_twice_is_one(browser: Browser, memory: MemoryCloud) -> None:
    put_run(memory, RUN, RunStatus.SUCCEEDED_WITH_GAPS)

    first, second = (browser.post(f"/runs/{RUN}/replay", key="k" * 32) for _ in range(2))

    assert first.status_code == second.status_code == 303
    assert first.headers["location"] == second.headers["location"]
    assert f"/runs/re-{RUN}" in first.headers["location"]


def test_messages_are_dropped_one_by_one_and_all_together(browser: Browser, memory: MemoryCloud) -> None:
    queue = POISON_QUEUES[NORMAL]
    for number in range(3):
        record = poison_record(NORMAL, f"no {number}", b"{", worker="w", at=memory.clock.now())
        memory.queue.send(queue, record)
    action = re.findall(r'action="(/poison/[^"]+/[^"]+/drop)"', browser.api.get("/poison").text)[0]

    assert browser.post(action).headers["location"] == "http://app/poison?said=drop"
    assert memory.queue.depth(queue) == 2
    assert browser.post(f"/poison/{queue.value}/drop").status_code == 303
    assert memory.queue.depth(queue) == 0


def test_an_unknown_deed_is_no_address(browser: Browser) -> None:
    assert browser.post(f"/runs/{RUN}/explode").status_code in (404, 405)
