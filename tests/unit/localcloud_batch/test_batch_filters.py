"""`$filter` as Azure Batch reads it."""

import pytest

from localcloud.batch.http.listing import paths
from localcloud.batch.http.odata import expands_statistics, parse_filter, select
from localcloud.emulation.routing import ServiceError

PROPERTIES = paths("id state priority forced at executionInfo", executionInfo=("result", "exitCode"))
RESOURCES = {
    "s1-a": {"id": "s1-a", "state": "active", "priority": 1, "at": "2025-01-01T00:00:00.0000000Z"},
    "s1-b": {
        "id": "s1-b",
        "state": "completed",
        "priority": 5,
        "forced": True,
        "executionInfo": {"result": "failure", "exitCode": 3},
        "at": "2025-06-01T00:00:00.0000000Z",
    },
    "it's": {"id": "it's", "state": "completed", "executionInfo": {"result": "success", "exitCode": 0}},
}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("state eq 'completed'", {"s1-b", "it's"}),
        ("state ne 'completed'", {"s1-a"}),
        ("startswith(id,'s1-')", {"s1-a", "s1-b"}),
        ("startswith( id , 's1-' ) and state eq 'active'", {"s1-a"}),
        ("executionInfo/result eq 'failure'", {"s1-b"}),
        ("executionInfo/exitCode gt 0", {"s1-b"}),
        ("executionInfo/exitCode eq null", {"s1-a"}),
        ("at gt datetime'2025-03-01T00:00:00Z'", {"s1-b"}),
        ("at le datetime'2025-01-01'", {"s1-a"}),
        ("priority ge 1 and priority lt 5", {"s1-a"}),
        ("forced eq true", {"s1-b"}),
        ("id eq 'it''s'", {"it's"}),
        ("id ge 's1-b'", {"s1-b"}),
        ("state eq 'active' or state eq 'completed' and priority eq 5", {"s1-a", "s1-b"}),
        ("(state eq 'active' or state eq 'completed') and priority eq 5", {"s1-b"}),
        ("not (state eq 'active') and not startswith(id,'s1')", {"it's"}),
    ],
)
def test_a_filter_finds_what_it_says(text, found):
    matches = parse_filter(text, PROPERTIES)
    assert {name for name, resource in RESOURCES.items() if matches(resource)} == found


@pytest.mark.parametrize(
    "text",
    [
        "colour eq 'red'",
        "executionInfo/colour eq 1",
        "state is 'active'",
        "state eq",
        "state eq active",
        "eq 'active'",
        "state eq 'active",
        "state eq 'active')",
        "(state eq 'active'",
        "state eq 'a' state eq 'b'",
        "at gt datetime'soon'",
        "endswith(id,'a')",
        "startswith(id)",
        "startswith(id,5)",
        "state eq 'a' &&",
        "(" * 5000,
        "not " * 5000 + "state eq 'a'",
    ],
)
def test_a_filter_that_cannot_be_read_is_a_400(text):
    with pytest.raises(ServiceError) as error:
        parse_filter(text, PROPERTIES)
    assert (error.value.status, error.value.code) == (400, "InvalidQueryParameterValue")


def test_select_keeps_the_members_it_names():
    assert select(RESOURCES["s1-a"], "id, state", PROPERTIES) == {"id": "s1-a", "state": "active"}
    assert select(RESOURCES["s1-a"], None, PROPERTIES) == RESOURCES["s1-a"]
    with pytest.raises(ServiceError, match="colour"):
        select({}, "id,colour", PROPERTIES)


def test_expand_takes_stats_alone():
    assert expands_statistics("stats")
    assert not expands_statistics(None)
    with pytest.raises(ServiceError, match="stats"):
        expands_statistics("everything")
