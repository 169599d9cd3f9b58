"""Laws of paths and ids: no name leaves its place, numbers sort as numbers, causes and ids belong together."""

import inspect
import posixpath
import re
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dropscore.cloud.blob_names import check_name
from dropscore.contracts import identity, layout
from dropscore.contracts.errors import PermanentCloudError
from dropscore.contracts.input_names import name_problem
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.names import ContainerName, Role
from dropscore.contracts.plan import MAX_SHARDS, Piece

RUNS = st.from_regex(r"[a-z0-9][a-z0-9-]{2,47}", fullmatch=True)
TRICKS = st.sampled_from(
    [
        "..",
        ".",
        "../",
        "/..",
        "..\\",
        "\\",
        "/",
        "//",
        "%2e%2e",
        "%2f",
        "\0",
        "\n",
        "C:",
        "~",
        "\u202e",
        "．．",
        "∕",
        "a",
        "b",
    ]
)
NAMES = st.text(max_size=20) | st.lists(TRICKS, min_size=1, max_size=6).map("".join)
PIECES = st.builds(Piece, first_item=st.integers(0, 9_999_999), items=st.integers(1, 99_999))
SHARDS = st.integers(0, MAX_SHARDS - 1)

CONFINED = [
    (layout.output, lambda run: f"outputs/{run}/"),
    (layout.log, lambda run: f"logs/{run}/"),
    (lambda _, name: layout.input_file(name), lambda _: "inputs/"),
    (lambda _, name: layout.trigger(name), lambda _: "triggers/"),
    (lambda _, name: layout.rejected(name), lambda _: "rejected/"),
    (lambda _, name: layout.package_file("net", "1", name), lambda _: "models/net/1/"),
]
"""Paths that hold a name somebody else has chosen, and where they have to stay."""


@pytest.mark.fault(9)
@pytest.mark.parametrize("place", CONFINED, ids=["output", "log", "input", "trigger", "rejected", "package file"])
@given(run=RUNS, name=NAMES)
@example(run="run-1", name="../../inputs/x")
@example(run="run-1", name="a/../../b")
@example(run="run-1", name="x" * 2000)
def test_a_name_is_refused_or_stays_in_its_place(place, run, name):
    path_of, prefix_of = place
    path = path_of(run, name)
    try:
        check_name(path)
    except PermanentCloudError:
        return
    for text in (str(path), unquote(str(path)) if "%" not in name else str(path), str(path).replace("\\", "/")):
        assert posixpath.normpath("/" + text).startswith(("/" + prefix_of(run)).rstrip("/")), path
    assert not set("\0\n\r") & set(path.name)
    assert 1 <= len(path.name) <= 1024


@pytest.mark.fault(9)
@given(NAMES)
def test_an_input_name_that_is_let_through_can_be_sent(name):
    if name and len(name) <= 1000 and name_problem(name, "inputs[0]") is None:
        check_name(layout.input_file(name))


@given(st.lists(SHARDS, min_size=2, max_size=30, unique=True), RUNS)
def test_shards_list_in_their_order(shards, run):
    for path_of in (layout.verdict, layout.splits_prefix, layout.attempts_prefix):
        names = [path_of(run, shard).name for shard in sorted(shards)]
        assert names == sorted(names)
    parts = [layout.part(run, shard, "f" * 64, "mp4").name for shard in sorted(shards)]
    assert parts == sorted(parts)
    pages = sorted({layout.page_of(shard) for shard in shards})
    assert [layout.plan_page(run, page).name for page in pages] == sorted(
        layout.plan_page(run, page).name for page in pages
    )


@given(st.lists(PIECES, min_size=2, max_size=20, unique_by=lambda piece: piece.first_item), RUNS, SHARDS)
def test_pieces_list_in_their_order_and_are_read_from_their_names(pieces, run, shard):
    pieces.sort(key=lambda piece: piece.first_item)
    for path_of in (layout.piece_verdict, layout.split):
        paths = [path_of(run, shard, piece) for piece in pieces]
        assert [path.name for path in paths] == sorted(path.name for path in paths)
        assert [layout.range_of(path) for path in paths] == pieces
    shelved = [layout.quarantine(run, piece).name for piece in pieces]
    assert shelved == sorted(shelved)


def _all_of_a_run(run: str, shard: int, piece: Piece) -> dict[str, BlobPath]:
    """Every path of a run, by the function that gives it."""
    given_values = {
        "run_id": run, "shard_id": shard, "piece": piece, "page": 1, "role": Role.PLAN, "sha256": "a" * 64,
        "suffix": "mp4", "name": "x", "actor": "w", "news_id": "ev-1", "webhook_id": "wh-1",
    }  # fmt: skip
    found = {}
    for name, function in vars(layout).items():
        wanted = list(inspect.signature(function).parameters) if inspect.isfunction(function) else []
        if wanted[:1] == ["run_id"] and not name.startswith("_"):
            found[name] = function(**{one: given_values[one] for one in wanted})
    return found


@given(RUNS, RUNS, SHARDS, PIECES)
def test_no_two_things_of_a_run_share_a_name_and_no_two_runs_share_anything(one, other, shard, piece):
    paths = _all_of_a_run(one, shard, piece)
    assert len(paths) > 25
    assert len(set(paths.values())) == len(paths)
    if one != other:
        assert not set(paths.values()) & set(_all_of_a_run(other, shard, piece).values())
    for name, path in paths.items():
        assert path.name.startswith((f"{one}/", f"_index/{one}")), name
        check_name(path)


TEXTS = st.text(max_size=30)
CAUSES = st.one_of(
    st.tuples(st.just(identity.run_id_of_trigger), TEXTS, TEXTS, TEXTS.filter(lambda etag: '"' not in etag)),
    st.tuples(st.just(identity.run_id_of_key), TEXTS, TEXTS),
    st.tuples(st.just(identity.run_id_of_replay), RUNS, TEXTS, TEXTS),
)


@given(CAUSES, CAUSES)
def test_a_cause_has_one_id_and_another_cause_another(one, other):
    first, second = one[0](*one[1:]), other[0](*other[1:])
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{2,47}", first)
    assert first == one[0](*one[1:])
    assert (first == second) == (one == other) or "\n" in "".join((*one[1:], *other[1:]))


@given(RUNS, st.integers(1, 10), st.integers(0, 10**9 - 1), st.integers(0, 999))
def test_ids_made_of_a_run_fit_the_services(run, attempt, round_, number):
    for role in Role:
        assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", identity.container_group_name(run, role, attempt))
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", identity.worker_task_id(run, round_, number))
    assert len({identity.child_instance_id(run, stage) for stage in identity.STAGES}) == 3


def test_containers_of_users_and_of_the_system_do_not_overlap():
    assert len({one.value for one in ContainerName}) == len(ContainerName)
