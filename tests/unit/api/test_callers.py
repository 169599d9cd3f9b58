"""Who may call what, and whose runs they see: every operation with every role, and with another tenant's runs."""

import json
import re

import pytest
from api_client import ApiClient
from stored_runs import put_run
from tokens import SETTINGS, key_set, token

import function_app
from dropscore.api.app import create_api, everything
from dropscore.api.callers import TokenHolders
from dropscore.api.operations import Access
from dropscore.cloud.entra import EntraTokens
from dropscore.contracts import layout
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.request import RunRecord, RunSource
from dropscore.contracts.run import RunStatus

OPERATIONS = [served.operation for served in everything(lambda: None)]  # type: ignore[arg-type, return-value]
ROLES = ("", "viewer", "submitter", "operator")
RUN = "theirs-0123456789abcdef"


def callers(tenant_claim):
    tokens = EntraTokens(SETTINGS, fetch=lambda _url: key_set("one"))
    return TokenHolders(tokens.claims, tenant_claim=tenant_claim)


@pytest.fixture
def api(memory, ports):
    """The API where callers show tokens."""
    services = function_app.assemble(ports, callers(None)).services
    return ApiClient(create_api(lambda: services), memory.orchestrations)


@pytest.fixture
def shared(memory, ports):
    """The API where callers show tokens, and belong to tenants."""
    services = function_app.assemble(ports, callers("org")).services
    return ApiClient(create_api(lambda: services), memory.orchestrations)


def holder(role, **claims):
    return {"Authorization": f"Bearer {token(roles=[role] if role else [], **claims)}"}


def address(operation, run_id=RUN):
    path = operation.path.replace("{run_id}", run_id)
    return "/api/v1" + re.sub(r"{\w+}", "normal", path)


def put_their_run(memory, tenant="theirs", status=RunStatus.SCORING):
    source = RunSource(kind="http", tenant=tenant)
    state = put_run(memory, RUN, status, source=source)
    record = RunRecord(
        run_id=RUN, source=source, created_at=state.created_at, body="{}", body_bytes=2, body_sha256=None
    )
    memory.blobs.put(layout.request(RUN), encode_bytes(record))


@pytest.mark.fault(66)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.id)
def test_without_a_token_only_open_operations_answer(api, operation):
    answer = api.send(operation.method, address(operation))
    if operation.access is Access.OPEN:
        assert answer.status_code == 200
    else:
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["code"] == "E-AUTH-REQUIRED"


@pytest.mark.fault(66)
@pytest.mark.parametrize("place", ["code", "token", "access_token"])
def test_a_token_in_the_query_is_none(api, place):
    assert api.get("/api/v1/runs", **{place: token(roles=["operator"])}).status_code == 401


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.id)
def test_each_role_may_do_what_is_its_own_and_nothing_above(api, operation, role):
    answer = api.send(operation.method, address(operation), headers=holder(role))
    allowed = ROLES.index(role) >= operation.access
    assert (answer.status_code == 403) == (not allowed), answer.text
    if not allowed:
        assert answer.json()["code"] == "E-AUTH-FORBIDDEN"
        assert operation.access.name.lower() in answer.json()["detail"]


@pytest.mark.fault(67)
@pytest.mark.parametrize("role", ROLES[1:])
@pytest.mark.parametrize("operation", [one for one in OPERATIONS if "{run_id}" in one.path], ids=lambda one: one.id)
def test_another_tenants_run_is_one_that_does_not_exist(shared, memory, operation, role):
    put_their_run(memory, status=RunStatus.SUCCEEDED_WITH_GAPS)
    ours = holder(role, org="ours")
    told = shared.send(operation.method, address(operation), headers=ours)
    unknown = shared.send(operation.method, address(operation, "unknown-0123456789abcdef"), headers=ours)
    assert told.status_code == unknown.status_code
    assert told.text.replace(RUN, "") == unknown.text.replace("unknown-0123456789abcdef", "")
    assert told.status_code in (403, 404)


@pytest.mark.fault(67)
def test_a_tenant_sees_its_own_runs_alone(shared, memory):
    put_their_run(memory)
    assert shared.send("GET", "/api/v1/runs", headers=holder("viewer", org="ours")).json()["runs"] == []
    (run,) = shared.send("GET", "/api/v1/runs", headers=holder("viewer", org="Theirs")).json()["runs"]
    assert run["run_id"] == RUN
    answer = shared.send("GET", f"/api/v1/runs/{RUN}", headers=holder("viewer", org="theirs"))
    assert answer.status_code == 200


@pytest.mark.fault(67)
@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.of_all_tenants], ids=lambda one: one.id)
def test_what_concerns_all_tenants_is_not_for_one_of_them(shared, operation):
    answer = shared.send(operation.method, address(operation), headers=holder("operator", org="ours"))
    assert (answer.status_code, answer.json()["code"]) == (403, "E-AUTH-FORBIDDEN")


@pytest.mark.parametrize("org", [None, 7, "", "a/b", "..", "x" * 65])
def test_a_token_that_names_no_tenant_is_refused(shared, org):
    answer = shared.send("GET", "/api/v1/runs", headers=holder("operator", org=org))
    assert (answer.status_code, answer.json()["code"]) == (403, "E-AUTH-FORBIDDEN")


def test_the_same_key_of_two_tenants_is_two_runs(shared):
    body = json.dumps({"workload": "style_transfer", "inputs": ["ours/a.png"]})
    runs = [
        shared.post("/api/v1/runs", content=body, headers=holder("submitter", org=org) | {"Idempotency-Key": "k"})
        for org in ("ours", "theirs", "ours")
    ]
    ours, theirs, again = (answer.json()["run_id"] for answer in runs)
    assert ours == again != theirs


def test_somebody_who_logged_in_on_the_page_is_known_by_the_token_handed_on(api):
    headers = {"X-MS-TOKEN-AAD-ID-TOKEN": token(roles=["viewer"])}
    assert api.send("GET", "/api/v1/runs", headers=headers).status_code == 200
    forged = {"X-MS-CLIENT-PRINCIPAL": "eyJhdXRoX3R5cCI6ImFhZCJ9", "X-MS-CLIENT-PRINCIPAL-NAME": "admin"}
    assert api.send("GET", "/api/v1/runs", headers=forged).status_code == 401
