"""The failure codes: each with its class, what it means in one sentence, and one next action."""

from dataclasses import dataclass
from enum import StrEnum


class FailureClass(StrEnum):
    """What a failure means for the next attempt."""

    BAD_INPUT = "bad_input"
    """Permanent: the same input fails again. Never retried."""
    TRANSIENT = "transient"
    """Something outside did not answer: back off and try again."""
    OUT_OF_MEMORY = "out_of_memory"
    """The device has too little memory for this batch: halve it, then tile, then say so."""
    DEVICE_LOST = "device_lost"
    """The device is gone: leave at once, the shard comes back elsewhere."""
    BUG = "bug"
    """Unexpected: tried again, and permanent once the attempts are used up."""
    CANCELLED = "cancelled"
    """Somebody asked for it to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeEntry:
    """One row of the table of codes."""

    failure_class: FailureClass
    meaning: str
    action: str


class Code(StrEnum):
    """Stable failure codes. Their meaning and next action stand in `CODES`; a code is never reused."""

    REQUEST_MALFORMED = "E-REQUEST-MALFORMED"
    REQUEST_FIELD = "E-REQUEST-FIELD"
    REQUEST_REFERENCE = "E-REQUEST-REFERENCE"
    REQUEST_TOO_LARGE = "E-REQUEST-TOO-LARGE"
    REQUEST_CONFLICT = "E-REQUEST-CONFLICT"
    AUTH_REQUIRED = "E-AUTH-REQUIRED"
    AUTH_INVALID = "E-AUTH-INVALID"
    AUTH_FORBIDDEN = "E-AUTH-FORBIDDEN"
    TRIGGER_GONE = "E-TRIGGER-GONE"
    TRIGGER_POISON = "E-TRIGGER-POISON"
    WORKLOAD_UNKNOWN = "E-WORKLOAD-UNKNOWN"
    OPTION_INVALID = "E-OPTION-INVALID"
    INPUT_NAME = "E-INPUT-NAME"
    INPUT_MISSING = "E-INPUT-MISSING"
    INPUT_EMPTY = "E-INPUT-EMPTY"
    INPUT_CHANGED = "E-INPUT-CHANGED"
    INPUT_UNREADABLE = "E-INPUT-UNREADABLE"
    INPUT_UNSUPPORTED = "E-INPUT-UNSUPPORTED"
    INPUT_LIMIT = "E-INPUT-LIMIT"
    INPUT_CORRUPT = "E-INPUT-CORRUPT"
    MODEL_UNKNOWN = "E-MODEL-UNKNOWN"
    MODEL_INVALID = "E-MODEL-INVALID"
    MODEL_UNSAFE = "E-MODEL-UNSAFE"
    RUN_UNKNOWN = "E-RUN-UNKNOWN"
    RUN_ENDED = "E-RUN-ENDED"
    RUN_UNDER_WAY = "E-RUN-UNDER-WAY"
    RUN_DELETED = "E-RUN-DELETED"
    RUN_TOO_LARGE = "E-RUN-TOO-LARGE"
    REPLAY_NOTHING = "E-REPLAY-NOTHING"
    RUN_DEADLINE = "E-RUN-DEADLINE"
    RUN_STALLED = "E-RUN-STALLED"
    RUN_CANCELLED = "E-RUN-CANCELLED"
    CONTAINER_FAILED = "E-CONTAINER-FAILED"
    CONTAINER_TIMEOUT = "E-CONTAINER-TIMEOUT"
    WORKERS_UNAVAILABLE = "E-WORKERS-UNAVAILABLE"
    SHARD_POISON = "E-SHARD-POISON"
    SHARD_FAILED = "E-SHARD-FAILED"
    ITEM_DEADLINE = "E-ITEM-DEADLINE"
    TOO_MANY_FAILED = "E-TOO-MANY-FAILED"
    MESSAGE_MALFORMED = "E-MESSAGE-MALFORMED"
    MESSAGE_UNKNOWN = "E-MESSAGE-UNKNOWN"
    PAGE_UNKNOWN = "E-PAGE-UNKNOWN"
    WEBHOOK_UNKNOWN = "E-WEBHOOK-UNKNOWN"
    WEBHOOK_TARGET = "E-WEBHOOK-TARGET"
    WEBHOOK_LIMIT = "E-WEBHOOK-LIMIT"
    OUTPUT_MISSING = "E-OUTPUT-MISSING"
    OUTPUT_INVALID = "E-OUTPUT-INVALID"
    OUT_OF_MEMORY = "E-OUT-OF-MEMORY"
    DEVICE_LOST = "E-DEVICE-LOST"
    API_UNREACHABLE = "E-API-UNREACHABLE"
    STORAGE_UNAVAILABLE = "E-STORAGE-UNAVAILABLE"
    STORAGE_REFUSED = "E-STORAGE-REFUSED"
    STORAGE_GONE = "E-STORAGE-GONE"
    DISK_FULL = "E-DISK-FULL"
    SETTINGS_INVALID = "E-SETTINGS-INVALID"
    EMULATOR_LOSS = "E-EMULATOR-LOSS"
    INTERNAL = "E-INTERNAL"


def _row(failure_class: FailureClass, meaning: str, action: str) -> CodeEntry:
    return CodeEntry(failure_class=failure_class, meaning=meaning, action=action)


_BAD, _TRANSIENT, _BUG = FailureClass.BAD_INPUT, FailureClass.TRANSIENT, FailureClass.BUG

CODES: dict[Code, CodeEntry] = {
    Code.REQUEST_MALFORMED: _row(
        _BAD, "The request is not valid JSON.", "Fix the text at the place named and drop it again."
    ),
    Code.REQUEST_FIELD: _row(
        _BAD,
        "A field of the request is unknown, missing or of the wrong type.",
        "Correct the field named and drop the file again.",
    ),
    Code.REQUEST_REFERENCE: _row(
        _BAD, "The request refers to something that is not there.", "Use one that exists, or leave the field out."
    ),
    Code.REQUEST_TOO_LARGE: _row(
        _BAD, "The request is larger than a trigger file may be.", "Put inputs beside the trigger, not in it."
    ),
    Code.REQUEST_CONFLICT: _row(
        _BAD,
        "This idempotency key was used for another request.",
        "Use a new key, or send the first request again unchanged.",
    ),
    Code.AUTH_REQUIRED: _row(
        _BAD, "Who calls is not known.", "Send a key in x-functions-key, or a token as 'Authorization: Bearer ...'."
    ),
    Code.AUTH_INVALID: _row(_BAD, "The key or token is not accepted.", "Get a new one from who runs this deployment."),
    Code.AUTH_FORBIDDEN: _row(_BAD, "The caller may not do this.", "Ask who runs this deployment for the role named."),
    Code.TRIGGER_GONE: _row(
        _BAD, "The trigger file was deleted or replaced before it could be read.", "Drop the trigger file again."
    ),
    Code.TRIGGER_POISON: _row(
        _BUG,
        "The trigger failed five times inside the Functions host.",
        "Read the host's log, then drop the trigger again.",
    ),
    Code.WORKLOAD_UNKNOWN: _row(_BAD, "There is no workload of this name.", "Use one of the names listed."),
    Code.OPTION_INVALID: _row(_BAD, "An option is unknown or its value is not allowed.", "Correct the option named."),
    Code.INPUT_NAME: _row(
        _BAD, "The name of an input is not allowed.", "Use a relative name inside the inputs container, without '..'."
    ),
    Code.INPUT_MISSING: _row(_BAD, "An input does not exist.", "Upload the inputs first, the trigger last."),
    Code.INPUT_EMPTY: _row(_BAD, "An input has no bytes.", "Upload the file again."),
    Code.INPUT_CHANGED: _row(
        _BAD, "An input was changed or deleted while the run was using it.", "Start a new run on the new input."
    ),
    Code.INPUT_UNREADABLE: _row(
        _BAD,
        "An input cannot be opened as the kind of file this workload reads.",
        "Check that the file opens in a player or viewer.",
    ),
    Code.INPUT_UNSUPPORTED: _row(
        _BAD, "An input is of a kind this workload does not read.", "Convert it to one of the kinds listed."
    ),
    Code.INPUT_LIMIT: _row(
        _BAD, "An input is over the limit on size, pixels or duration.", "Split or scale the input."
    ),
    Code.INPUT_CORRUPT: _row(
        _BAD, "An item of the input cannot be decoded.", "Repair the input and start a new run on it."
    ),
    Code.MODEL_UNKNOWN: _row(
        _BAD,
        "There is no model package of this name and version.",
        "Use one of the names listed by `dropscore models list`.",
    ),
    Code.MODEL_INVALID: _row(
        _BAD, "A model package does not match its own description or digest.", "Import the package again."
    ),
    Code.MODEL_UNSAFE: _row(
        _BAD, "A model file is of a format that can run code on loading.", "Convert the weights to safetensors."
    ),
    Code.RUN_UNKNOWN: _row(_BAD, "There is no such run.", "Use one of the ids listed by `dropscore runs`."),
    Code.RUN_ENDED: _row(_BAD, "The run has ended already.", "Nothing to do."),
    Code.RUN_UNDER_WAY: _row(_BAD, "The run is still under way.", "Wait for its end, or cancel it first."),
    Code.RUN_DELETED: _row(_BAD, "The run was deleted.", "Start a new run with a new key or a new trigger file."),
    Code.RUN_TOO_LARGE: _row(_BAD, "The run has more items or shards than one run may have.", "Split the run."),
    Code.REPLAY_NOTHING: _row(
        _BAD,
        "The run has nothing that could be scored again.",
        "Look at it with `dropscore show`; to do all of it anew, start another run.",
    ),
    Code.RUN_DEADLINE: _row(_BAD, "The run was not finished by its deadline.", "Start it again with a later deadline."),
    Code.RUN_STALLED: _row(
        _TRANSIENT,
        "No shard was finished for longer than the run's policy allows.",
        "Look at the workers' logs and the pool's state.",
    ),
    Code.RUN_CANCELLED: _row(FailureClass.CANCELLED, "The run was cancelled.", "Start it again when wanted."),
    Code.CONTAINER_FAILED: _row(
        _TRANSIENT, "The container of this stage failed on every attempt.", "Read its log with `dropscore logs`."
    ),
    Code.CONTAINER_TIMEOUT: _row(
        _TRANSIENT,
        "The container of this stage did not end in time.",
        "Read its log; raise the stage's deadline if the input is large.",
    ),
    Code.WORKERS_UNAVAILABLE: _row(
        _TRANSIENT, "No worker could be started.", "Look at the pool: quota, size and region are named in the detail."
    ),
    Code.SHARD_POISON: _row(
        _BUG, "A shard ended its worker each time it was tried.", "Look at the input range named; it is in quarantine."
    ),
    Code.SHARD_FAILED: _row(_BUG, "A shard failed on every attempt.", "Read the traceback in quarantine, then replay."),
    Code.ITEM_DEADLINE: _row(
        _BUG,
        "An item took longer than the run's policy allows.",
        "Look at the item named; raise policy.item_deadline_s if it is only slow, then replay.",
    ),
    Code.TOO_MANY_FAILED: _row(
        _BAD,
        "More items failed for good than the run tolerates.",
        "Look at the items in quarantine; replay them, or raise policy.tolerate_items or tolerate_percent.",
    ),
    Code.MESSAGE_MALFORMED: _row(
        _BAD,
        "A queue message could not be decoded.",
        "It is on the poison queue with the reason; nothing waits for it.",
    ),
    Code.PAGE_UNKNOWN: _row(_BAD, "There is nothing at this address.", "Go back to the list of runs."),
    Code.MESSAGE_UNKNOWN: _row(
        _BAD, "There is no such message or queue.", "Use one of those listed by `dropscore poison list`."
    ),
    Code.WEBHOOK_UNKNOWN: _row(_BAD, "There is no such webhook.", "Use one of the ids that the list of webhooks has."),
    Code.WEBHOOK_TARGET: _row(
        _BAD,
        "A webhook may not go to this address.",
        "Use an https address of a public host, or have the host allowed by the setting WebhookAllow.",
    ),
    Code.WEBHOOK_LIMIT: _row(_BAD, "There are too many webhooks.", "Delete those that nobody needs."),
    Code.OUTPUT_MISSING: _row(
        _BAD, "The run has published no outputs.", "Look at how it stands with `dropscore show`."
    ),
    Code.OUTPUT_INVALID: _row(
        _BUG, "The model gave a result that is not a number.", "Try full precision, or another version of the model."
    ),
    Code.OUT_OF_MEMORY: _row(
        FailureClass.OUT_OF_MEMORY,
        "The device has too little memory for one item.",
        "Scale the input, or use a larger device.",
    ),
    Code.DEVICE_LOST: _row(
        FailureClass.DEVICE_LOST, "The device stopped answering.", "Nothing to do: the shard runs elsewhere."
    ),
    Code.API_UNREACHABLE: _row(
        _TRANSIENT,
        "The dropscore API did not answer.",
        "Start the local cloud with `dropscore up`, or set DROPSCORE_URL to an API that runs.",
    ),
    Code.STORAGE_UNAVAILABLE: _row(
        _TRANSIENT, "Storage did not answer.", "Nothing to do while it is retried; check the account if it lasts."
    ),
    Code.STORAGE_REFUSED: _row(
        _TRANSIENT,
        "Storage refused: there is no right to this, or the account is read-only.",
        "Put the account right, then `dropscore rewind` a run that failed of it: what is scored is kept.",
    ),
    Code.DISK_FULL: _row(
        _TRANSIENT,
        "The container's disk is too small for the outputs.",
        "Give containers a larger disk or the run fewer inputs, then `dropscore rewind` it: what is scored is kept.",
    ),
    Code.STORAGE_GONE: _row(
        _TRANSIENT,
        "A container or queue of the storage account is gone.",
        "Make it again, then `dropscore rewind` a run that failed of it: what is scored is kept.",
    ),
    Code.SETTINGS_INVALID: _row(_BAD, "A setting is missing or wrong.", "Set the variable named as it says."),
    Code.EMULATOR_LOSS: _row(
        _TRANSIENT,
        "The storage emulator lost writes that it had acknowledged.",
        "The run goes on from what is left; drop the trigger again if its inputs are gone.",
    ),
    Code.INTERNAL: _row(_BUG, "Something unexpected happened.", "Report it with the detail and the log."),
}
