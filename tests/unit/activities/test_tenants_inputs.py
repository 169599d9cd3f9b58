"""A tenant's run reads what lies in the tenant's own folder, and nothing else."""

import json

import pytest
from activity_bench import RUN, Bench

from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.names import ActivityName
from dropscore.contracts.orchestration import Admission, RunRef
from dropscore.contracts.request import RunRecord


def admit(bench: Bench, **fields: object) -> Admission:
    bench.package()
    bench.package("vgg19")
    bench.upload("ours/film.mp4", "ours/style.jpg", "theirs/film.mp4", "theirs/style.jpg", "film.mp4")
    bench.ask_for(**({"inputs": ["ours/film.mp4"]} | fields))
    record = decode(RunRecord, bench.memory.blobs.get(layout.request(RUN)).data)
    ours = record.model_copy(update={"source": record.source.model_copy(update={"tenant": "ours"})})
    bench.memory.blobs.put(layout.request(RUN), encode_bytes(ours))
    return bench.call(ActivityName.ADMIT, RunRef(run_id=RUN), Admission)


@pytest.mark.fault(67)
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"inputs": ["film.mp4"]}, "inputs[0]"),
        ({"inputs": ["theirs/film.mp4"]}, "inputs[0]"),
        ({"inputs": ["ours/film.mp4", "theirs/nothing.mp4"]}, "inputs[1]"),
        ({"inputs": ["oursother/film.mp4"]}, "inputs[0]"),
        ({"inputs": ["theirs/"]}, "inputs[0]"),
        ({"options": {"method": "optimisation", "style_image": "theirs/style.jpg"}}, "options.style_image"),
    ],
)
def test_what_lies_outside_is_refused_whether_it_exists_or_not(bench: Bench, fields: dict, field: str) -> None:
    why = admit(bench, **fields).failure
    assert why is not None
    assert (why.code, why.field) == ("E-INPUT-NAME", field)
    assert "ours/" in why.message


@pytest.mark.fault(67)
@pytest.mark.parametrize("name", ["ours/../theirs/film.mp4", "ours//../theirs/film.mp4", "ours/./../theirs/"])
def test_no_name_leads_out_of_the_folder(bench: Bench, name: str) -> None:
    why = admit(bench, inputs=[name]).failure
    assert why is not None
    assert why.code == "E-INPUT-NAME"


@pytest.mark.parametrize(
    "fields", [{}, {"inputs": ["ours/"]}, {"options": {"method": "optimisation", "style_image": "ours/style.jpg"}}]
)
def test_what_lies_in_the_folder_is_admitted(bench: Bench, fields: dict) -> None:
    admission = admit(bench, **fields)
    assert admission.failure is None, json.dumps(fields)
