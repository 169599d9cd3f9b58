"""A workload of a few lines: an input is a text, an item is a letter, a part holds its letters in upper case."""

import hashlib
import time
from itertools import accumulate
from pathlib import Path

from pydantic import Field

from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.plan import InputSummary, Piece, ShardSpec
from dropscore.contracts.receipt import OutputFile
from dropscore.contracts.verdict import Outcome
from dropscore.workloads.base import (
    InputFiles,
    Picture,
    Plan,
    PlanRequest,
    Stitched,
    StitchRequest,
    WorkloadDefinition,
    WorkloadOptions,
)

LETTERS = WorkloadDefinition(
    name="letters",
    title="Letters in upper case",
    options="letters_workload:LettersOptions",
    planner="letters_workload:plan",
    scoring="letters_workload:nothing",
    stitcher="letters_workload:stitch",
    narrow="letters_workload:narrow",
)


class LettersOptions(WorkloadOptions):
    """`shard` is the number of letters in a shard; `demand_all` refuses to stitch with gaps; `wait_for` makes the
    stitcher wait until this file exists, and say that it waits by making the same with `.waiting`.
    """

    shard: int = Field(3, ge=1)
    demand_all: bool = False
    wait_for: str = ""


def plan(request: PlanRequest) -> Plan:
    shards: list[ShardSpec] = []
    summaries: list[InputSummary] = []
    refused = []
    options = request.options
    assert isinstance(options, LettersOptions)
    first = 0
    for index, ref in enumerate(request.inputs.refs):
        text = request.inputs.open(index).read()
        if not text.isalpha():
            refused.append(failure(Code.INPUT_UNREADABLE, f"the input {ref.name!r} is no word", input=ref.name))
            continue
        summaries.append(InputSummary(input_index=index, name=ref.name, items=len(text), facts={"letters": len(text)}))
        for start in range(0, len(text), options.shard):
            items = min(options.shard, len(text) - start)
            work = {"start": start}
            shards.append(
                ShardSpec(shard_id=len(shards), input_index=index, first_item=first + start, items=items, work=work)
            )
        first += len(text)
    if not shards:
        raise FailedError.of(Code.INPUT_UNREADABLE, "no input is a word", input=request.inputs.refs[0].name)
    return Plan(
        shards=tuple(shards),
        inputs=tuple(summaries),
        refused=tuple(refused),
        facts={"pace_measured": request.pace.measured, "megapixel_s": request.pace.megapixel_s},
        shard_items=options.shard,
        reason=f"{options.shard} letters were asked for.",
    )


def stitch(request: StitchRequest) -> Stitched:
    options = request.options
    assert isinstance(options, LettersOptions)
    texts: dict[int, bytes] = {}
    missing = 0
    (request.folder / "begun.txt").write_bytes(b"half an output")
    if options.wait_for:
        Path(f"{options.wait_for}.waiting").write_text(str(request.folder))
        while not Path(options.wait_for).exists():
            time.sleep(0.01)
    for shard in request.shards():
        if request.parts.verdict(shard).outcome is Outcome.DONE:
            piece = request.parts.open(shard).read()
        elif options.demand_all:
            raise FailedError.of(Code.SHARD_FAILED, f"shard {shard.shard_id} has no letters", shard_id=shard.shard_id)
        else:
            piece, missing = b"?" * shard.items, missing + shard.items
        texts[shard.input_index] = texts.get(shard.input_index, b"") + piece
    outputs = []
    for index, text in texts.items():
        name = f"word-{index}.txt"
        (request.folder / name).write_bytes(text)
        digest = hashlib.sha256(text).hexdigest()
        outputs.append(
            OutputFile(name=name, sha256=digest, size_bytes=len(text), media_type="text/plain", title="A word")
        )
    starts = list(accumulate((len(text) for text in texts.values()), initial=0))[:-1]
    return Stitched(
        outputs=tuple(outputs),
        items_published=request.plan.items - missing,
        items_missing=missing,
        metrics={"words": len(texts)},
        before=tuple(Picture(jpeg=b"before", caption="first letter", item=start) for start in starts),
        after=tuple(Picture(jpeg=b"after", caption="first letter", item=start) for start in starts),
    )


def narrow(shard: ShardSpec, piece: Piece, options: WorkloadOptions, inputs: InputFiles) -> ShardSpec:
    work = {"start": int(str(shard.work["start"])) + piece.first_item - shard.first_item}
    return shard.model_copy(update={"first_item": piece.first_item, "items": piece.items, "work": work})


nothing = None
"""Nobody scores here: tests write the parts themselves."""
