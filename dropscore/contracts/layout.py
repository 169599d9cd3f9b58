"""Every path in storage, as pure functions. Nothing else in the product builds a path.

data/   triggers/<anything>         rejected/<anything>.json   inputs/...   outputs/<run_id>/...
system/ runs/<run_id>/request.json  admission.json  inputs.jsonl  state.json  cancel.json  suspend.json
        runs/<run_id>/plan/index.json  plan/shards-0001.jsonl  plan/pace.json  enqueued.json
        runs/<run_id>/parts/000042-<digest>.<suffix>  verdicts/000042.json
        runs/<run_id>/attempts/000042/0001200-50/<message>.json  splits/000042/0001200-50.json
        runs/<run_id>/pieces/000042/0001200-8.json  quarantine/0001208-1.json
        runs/<run_id>/stitch.json  report.json  report.html  receipt.json
        runs/_index/<run_id>        one small blob a run, whose metadata lists it
        runs/_triggers/<digest>     the latest run of a trigger file, by the digest of its name
        runs/<run_id>/webhooks/<news>-<subscription>.json      who was told of it
        runs/_webhooks/<id>.json    a subscription      runs/_unhooked/<id>    one that was deleted
        runs/_bell                  changes when work is coming   runs/_workers/<worker>  what a worker tells of itself
        runs/_sweep/state.json      who sweeps, and where it stands      runs/_sweep/latest.json  what it did last
        models/<name>/<version>/package.json + files   models/<name>/aliases/<alias>.json
        logs/<run_id>/<actor>.log
"""

from dataclasses import dataclass
from hashlib import sha256

from dropscore.contracts.names import ContainerName, Role
from dropscore.contracts.plan import SHARDS_PER_PAGE, Piece


@dataclass(frozen=True, slots=True)
class BlobPath:
    """A blob: its container (which fixes the storage account) and its name, e.g. `runs`, `r1/request.json`."""

    container: ContainerName
    name: str

    def __str__(self) -> str:
        return f"{self.container}/{self.name}"


def _run(run_id: str, rest: str) -> BlobPath:
    return BlobPath(ContainerName.RUNS, f"{run_id}/{rest}")


def trigger(name: str) -> BlobPath:
    return BlobPath(ContainerName.TRIGGERS, name)


def rejected(trigger_name: str) -> BlobPath:
    """Where the reason for refusing a trigger goes: under its own name, never into `triggers/`."""
    suffix = "" if trigger_name.endswith(".json") else ".json"
    return BlobPath(ContainerName.REJECTED, trigger_name + suffix)


def input_file(name: str) -> BlobPath:
    return BlobPath(ContainerName.INPUTS, name)


def output(run_id: str, name: str) -> BlobPath:
    return BlobPath(ContainerName.OUTPUTS, f"{run_id}/{name}")


def output_manifest(run_id: str) -> BlobPath:
    return output(run_id, "manifest.json")


def run_prefix(run_id: str) -> BlobPath:
    return _run(run_id, "")


def request(run_id: str) -> BlobPath:
    return _run(run_id, "request.json")


def admission(run_id: str) -> BlobPath:
    return _run(run_id, "admission.json")


def inputs(run_id: str) -> BlobPath:
    return _run(run_id, "inputs.jsonl")


def state(run_id: str) -> BlobPath:
    return _run(run_id, "state.json")


def cancel_mark(run_id: str) -> BlobPath:
    return _run(run_id, "cancel.json")


def suspend_mark(run_id: str) -> BlobPath:
    return _run(run_id, "suspend.json")


def plan_index(run_id: str) -> BlobPath:
    return _run(run_id, "plan/index.json")


def plan_page(run_id: str, page: int) -> BlobPath:
    """Page `page` (1-based) of the plan: shards `(page - 1) * SHARDS_PER_PAGE` and on, one to a line."""
    return _run(run_id, f"plan/shards-{page:04d}.jsonl")


def plan_pace(run_id: str) -> BlobPath:
    """The measured pace that the planner found first, so that two planners at once make the same plan."""
    return _run(run_id, "plan/pace.json")


def page_of(shard_id: int) -> int:
    """The 1-based page that holds a shard."""
    return shard_id // SHARDS_PER_PAGE + 1


def stage_failure(run_id: str, role: Role) -> BlobPath:
    """Where a container writes down a failure that is not worth another attempt (`Failure`)."""
    return _run(run_id, f"{role}-failure.json")


def enqueued(run_id: str) -> BlobPath:
    """How far the shards have been put on the queue (`Enqueued`)."""
    return _run(run_id, "enqueued.json")


def part(run_id: str, shard_id: int, sha256: str, suffix: str) -> BlobPath:
    """A part is named after its content; `suffix` has no dot."""
    return _run(run_id, f"parts/{shard_id:06d}-{sha256[:16]}.{suffix}")


def parts_prefix(run_id: str) -> BlobPath:
    return _run(run_id, "parts/")


def verdict(run_id: str, shard_id: int) -> BlobPath:
    return _run(run_id, f"verdicts/{shard_id:06d}.json")


def verdicts_prefix(run_id: str) -> BlobPath:
    return _run(run_id, "verdicts/")


def quarantine(run_id: str, piece: Piece) -> BlobPath:
    return _run(run_id, f"quarantine/{_range(piece)}.json")


def quarantine_prefix(run_id: str) -> BlobPath:
    return _run(run_id, "quarantine/")


def piece_verdict(run_id: str, shard_id: int, piece: Piece) -> BlobPath:
    """The verdict of a piece; that of the whole shard is `verdict`."""
    return _run(run_id, f"pieces/{shard_id:06d}/{_range(piece)}.json")


def piece_verdicts_prefix(run_id: str, shard_id: int) -> BlobPath:
    return _run(run_id, f"pieces/{shard_id:06d}/")


def split(run_id: str, shard_id: int, piece: Piece) -> BlobPath:
    """Into what a shard or piece was divided (`Split`)."""
    return _run(run_id, f"splits/{shard_id:06d}/{_range(piece)}.json")


def splits_prefix(run_id: str, shard_id: int) -> BlobPath:
    return _run(run_id, f"splits/{shard_id:06d}/")


def attempt(run_id: str, shard_id: int, piece: Piece, name: str) -> BlobPath:
    """One attempt on a shard or piece that gave no verdict (`Attempt`); its name says which delivery it was."""
    return _run(run_id, f"attempts/{shard_id:06d}/{_range(piece)}/{name}.json")


def attempts_prefix(run_id: str, shard_id: int) -> BlobPath:
    return _run(run_id, f"attempts/{shard_id:06d}/")


def _range(piece: Piece) -> str:
    return f"{piece.first_item:07d}-{piece.items}"


def range_of(path: BlobPath) -> Piece:
    """The items in the name of a piece's verdict or of a split."""
    first, _, items = path.name.rpartition("/")[2].removesuffix(".json").partition("-")
    return Piece(first_item=int(first), items=int(items))


def stitch_result(run_id: str) -> BlobPath:
    return _run(run_id, "stitch.json")


def report_json(run_id: str) -> BlobPath:
    return _run(run_id, "report.json")


def report_html(run_id: str) -> BlobPath:
    return _run(run_id, "report.html")


def receipt(run_id: str) -> BlobPath:
    return _run(run_id, "receipt.json")


def index_entry(run_id: str) -> BlobPath:
    return BlobPath(ContainerName.RUNS, f"_index/{run_id}")


def index_prefix() -> BlobPath:
    return BlobPath(ContainerName.RUNS, "_index/")


def trigger_entry(name: str) -> BlobPath:
    """Which run was the latest of a trigger file, in its metadata (`run`)."""
    return BlobPath(ContainerName.RUNS, f"_triggers/{sha256(name.encode()).hexdigest()[:32]}")


def triggers_prefix() -> BlobPath:
    return trigger("")


def bell() -> BlobPath:
    """Changes when work is coming: idle workers look at it."""
    return BlobPath(ContainerName.RUNS, "_bell")


def subscription(webhook_id: str) -> BlobPath:
    return BlobPath(ContainerName.RUNS, f"_webhooks/{webhook_id}.json")


def subscriptions_prefix() -> BlobPath:
    return BlobPath(ContainerName.RUNS, "_webhooks/")


def unsubscribed(webhook_id: str) -> BlobPath:
    """Says of a subscription that it was there and was deleted."""
    return BlobPath(ContainerName.RUNS, f"_unhooked/{webhook_id}")


def told(run_id: str, news_id: str, webhook_id: str) -> BlobPath:
    """That a subscriber has taken news of a run (`Told`)."""
    return _run(run_id, f"webhooks/{news_id}-{webhook_id}.json")


def worker_sign(worker: str) -> BlobPath:
    """What a worker tells of itself (`WorkerSign`), in its metadata."""
    return BlobPath(ContainerName.RUNS, f"_workers/{worker}")


def worker_signs_prefix() -> BlobPath:
    return BlobPath(ContainerName.RUNS, "_workers/")


def sweep_state() -> BlobPath:
    return BlobPath(ContainerName.RUNS, "_sweep/state.json")


def sweep_report() -> BlobPath:
    return BlobPath(ContainerName.RUNS, "_sweep/latest.json")


def service_clock() -> BlobPath:
    """Written to read storage's time from it."""
    return BlobPath(ContainerName.RUNS, "_sweep/clock")


def package(name: str, version: str) -> BlobPath:
    return package_file(name, version, "package.json")


def package_file(name: str, version: str, file: str) -> BlobPath:
    return BlobPath(ContainerName.MODELS, f"{name}/{version}/{file}")


def models_prefix() -> BlobPath:
    return BlobPath(ContainerName.MODELS, "")


def model_prefix(name: str) -> BlobPath:
    return BlobPath(ContainerName.MODELS, f"{name}/")


def model_alias(name: str, alias: str) -> BlobPath:
    return BlobPath(ContainerName.MODELS, f"{name}/aliases/{alias}.json")


def execution_profile(name: str, version: str, device: str) -> BlobPath:
    """How a device runs a model fastest (precision, memory layout), found by the first worker that probed it."""
    return BlobPath(ContainerName.MODELS, f"{name}/{version}/profiles/{device}.json")


def timings(name: str, version: str, device: str) -> BlobPath:
    """Set-up and per-item time measured by earlier runs, for the planner."""
    return BlobPath(ContainerName.MODELS, f"{name}/{version}/timings/{device}.json")


def timings_prefix(name: str, version: str) -> BlobPath:
    return BlobPath(ContainerName.MODELS, f"{name}/{version}/timings/")


def log(run_id: str, actor: str) -> BlobPath:
    return BlobPath(ContainerName.LOGS, f"{run_id}/{actor}.log")


def logs_prefix(run_id: str) -> BlobPath:
    return BlobPath(ContainerName.LOGS, f"{run_id}/")
