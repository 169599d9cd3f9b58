"""What a user asks for, and what admission makes of it."""

from typing import Annotated

from pydantic import Field, StringConstraints

from dropscore.contracts.base import Contract, Count, Json, RunId, Seconds, Sha256, Stored
from dropscore.contracts.failures import Failure
from dropscore.contracts.names import Lane

MAX_REQUEST_BYTES = 256 * 1024
"""Largest trigger file or HTTP body that is read at all."""

MAX_INPUTS = 100_000
"""Most input files one run may name."""

PATIENCE_S = 900.0
"""How long work waits for a service that does not answer before it is given up: well over the ten minutes that an
outage may take. The one place where this is said; `dropscore.cloud.patience` tells who waits how.
"""

TENANT = r"[a-z0-9][a-z0-9-]{0,63}"
"""A tenant's name, which is also that of its folders in `inputs/` and `triggers/`."""
Tenant = Annotated[str, StringConstraints(pattern=f"^{TENANT}$")]

WorkloadName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,63}$")]
ModelName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
BlobName = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class RunPolicy(Contract):
    """Timings and limits of one run. They ride in the run's own input, so that a deployment never changes a
    run under way and tests pass milliseconds.
    """

    poll_first_s: Seconds = 0.05
    """First wait of a polling loop; each further one is longer by `poll_growth`."""
    poll_growth: Annotated[float, Field(ge=1, le=10)] = 1.5
    poll_most_s: Seconds = 1.0
    rounds_per_generation: Annotated[int, Field(ge=1, le=50)] = 8
    """Polling rounds before the orchestration continues as new, so that its history stays bounded."""
    activity_attempts: Annotated[int, Field(ge=1, le=20)] = 8
    activity_backoff_s: Seconds = 0.2
    """First pause before a step is tried again; each further one is twice as long, up to 64 times this."""
    patience_s: Seconds = PATIENCE_S
    """How long a step is tried again while a service does not answer, whatever `activity_attempts` says."""
    container_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    container_deadline_s: Seconds = 3600.0
    """Longest time one attempt of a container may take, its start included."""
    shard_attempts: Annotated[int, Field(ge=1, le=20)] = 5
    """Times that a shard is tried before it is given up. Bad input is tried once."""
    shard_backoff_s: Seconds = 1.0
    """First wait before a failed shard is tried again; each further one is twice as long, up to a minute, and a random
    share of up to a quarter is taken off.
    """
    deaths: Annotated[int, Field(ge=1, le=20)] = 3
    """Workers that an item may end before it is put into quarantine."""
    tolerate_items: Count | None = None
    """Most items that may fail for good before the run fails; no limit when None."""
    tolerate_percent: Annotated[float, Field(ge=0, le=100)] = 100.0
    """Most items that may fail for good, as a percentage of all."""
    lease_s: Annotated[float, Field(ge=1, le=3600)] = 30.0
    """Visibility timeout of a leased shard; it is extended at a third of this."""
    item_deadline_s: Seconds = 600.0
    stall_s: Seconds = 60.0
    """Without a new verdict for this long, shards without a verdict are put on the queue again."""
    stall_limit: Annotated[int, Field(ge=1, le=1000)] = 30
    """Such rounds in a row before the run is ended as stalled."""
    deadline_s: Seconds = 86_400.0
    max_workers: Annotated[int, Field(ge=1, le=1000)] = 8
    target_shard_s: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """Longest scoring time planned for one shard."""


class RunRequest(Contract):
    """One request to score something: the JSON of a trigger file or of `POST /api/runs`.

    Attributes:
        workload: name of a registered workload, such as `style_transfer`.
        inputs: blob names in the container `inputs`; a name that ends in `/` means every blob below it.
        options: the workload's own options; its JSON Schema is published with the workload.
        model: `name`, `name@version` or `name@alias`; the workload's default when absent.
        lane: the queue to use.
        note: free text, shown with the run.
        policy: timings and limits; the defaults suit most runs.
    """

    workload: WorkloadName
    inputs: Annotated[tuple[BlobName, ...], Field(min_length=1, max_length=1000)]
    options: dict[str, Json] = {}
    model: Annotated[str, StringConstraints(max_length=140)] | None = None
    lane: Lane = Lane.NORMAL
    note: Annotated[str, StringConstraints(max_length=500)] = ""
    policy: RunPolicy = RunPolicy()


class RunSource(Contract):
    """Where a request came from."""

    kind: Annotated[str, StringConstraints(pattern=r"^(trigger|http|connector|replay)$")]
    trigger_name: str | None = None
    """Blob name in `triggers/`, for a trigger file."""
    etag: str | None = None
    idempotency_key: str | None = None
    follows: RunId | None = None
    """The run of the trigger file's version before this one, which goes on with what it was asked."""
    replay_of: RunId | None = None
    """The run whose quarantined items are scored again, for a replay."""
    tenant: Tenant | None = None
    """Whose run it is, where tenants are configured."""


class ReplayRequest(Contract):
    """The JSON of `POST /api/runs/{id}/replay`: score what failed in a run again, and put its outputs together anew.

    Attributes:
        model: `name`, `name@version` or `name@alias`; the very version of the first run when absent.
        note: free text, shown with the replay.
    """

    model: Annotated[str, StringConstraints(max_length=140)] | None = None
    note: Annotated[str, StringConstraints(max_length=500)] = ""


class RunRecord(Stored):
    """`request.json`: written once, first, before anything else exists of a run.

    `body` is the text exactly as it came (decoded as UTF-8 with replacement), `None` when it was too large to
    keep; `refusal` is set when the text could already be refused on reading.
    """

    run_id: RunId
    source: RunSource
    created_at: str
    """UTC, ISO 8601 with microseconds and `Z`."""
    body: str | None
    body_bytes: Count
    body_sha256: Sha256 | None
    refusal: Failure | None = None
    deleted_at: str | None = None
    """Set when the run was deleted: of the record only this is left, so that the same cause starts nothing again."""


class InputRef(Contract):
    """One input file as it was at admission. Every later read holds it to this `etag`."""

    name: BlobName
    """Blob name in the container `inputs`."""
    etag: str
    size_bytes: Count


class ModelRef(Contract):
    """A model package, resolved: the version and digest do not change while the run lives."""

    name: ModelName
    version: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    digest: Sha256
    """SHA-256 of `package.json`, which itself holds the digest of every file."""


class AdmittedRun(Stored):
    """`admission.json`: a request whose every reference is resolved.

    `options` are the workload's full options, defaults included. The inputs stand one to a line in
    `inputs.jsonl` (`InputRef`), in the order in which their outputs are wanted.
    """

    run_id: RunId
    workload: WorkloadName
    options: dict[str, Json]
    model: ModelRef | None
    lane: Lane
    policy: RunPolicy
    input_count: Count
    input_bytes: Count
    options_digest: Sha256
    replay_of: RunId | None = None
    """The run whose good results are kept, for a replay."""
    extra_inputs: tuple[InputRef, ...] = ()
    """The inputs that the options name, such as a style's picture. Like all inputs they are held to their version."""
