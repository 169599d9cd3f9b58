"""The words for fields and parameters, where the contracts say too little for somebody who builds a workflow."""

from typing import Final

HIDDEN: Final = frozenset(
    {
        "schema_version", "etag", "stages", "stage_times", "links", "metrics", "training", "rewinds",
        "began_at", "deadline_s", "follows", "idempotency_key", "architecture", "licence", "digest", "shards_total",
        "shards_settled", "first_items", "failure_class", "RunDocument.documents", "RunPage.documents",
        "OutputList.next",
    }
)  # fmt: skip
"""Fields that a workflow has no use for, of every owner or of one; answers hold them all the same."""

OPEN: Final = frozenset({"code"})
"""Fields of answers whose values are not listed: there will be more of them, and no workflow should be made again."""

ASKED: Final = {"policy": ("deadline_s", "max_workers", "tolerate_items", "tolerate_percent")}
"""What a form asks for of a part of a request, where that is not all."""

ADVANCED: Final = frozenset({"model", "lane", "note", "policy", "Idempotency-Key", "limit", "fail", "run_id?"})
"""Fields and parameters that a form shows on demand; `?` marks one that may be left out."""

TITLES: Final = {
    "id": "ID", "url": "URL", "s": "(Seconds)", "sha256": "SHA-256", "eta": "Time Left", "of": "of", "at": "At",
}  # fmt: skip
"""Words of names that are not merely capitalised."""

SUMMARIES: Final = {
    "fail": "Fail Without Outputs",
    "run": "Address of the Run",
    "input": "Input",
    "next": "Next Page",
    "next_link": "Address of the Next Page",
    "percent": "Percent Done",
    "body": "Request",
    "results": "Address of the Results",
}

SENTENCES: Final = {
    "action": "The one next thing to do.",
    "aliases": "Names such as stable, each for one version.",
    "at": "When it happened, in UTC.",
    "body": "What is asked for.",
    "code": "The stable code of what went wrong.",
    "cost": "What the run has cost so far.",
    "created_at": "When it was asked for, in UTC.",
    "currency": "The currency of the estimate.",
    "default_model": "The model that is used unless another one is named.",
    "deadline_s": "Longest time that the run may take before it fails.",
    "detail": "More about it.",
    "errors": "Everything that is wrong.",
    "estimate": "An estimate of the cost so far, where a price is configured.",
    "event": "What happened.",
    "events": "What is told of.",
    "expires_at": "When the links end, in UTC; ask again for new ones.",
    "fail": "Yes: a run that ended without outputs makes this step fail. No: its result says so.",
    "failure": "Why the run has no outputs.",
    "field": "The field or parameter that is wrong.",
    "id": "The id of this one.",
    "Idempotency-Key": "A text of your own, such as the id of the workflow's run. Starting twice with the same key and "
    "the same request starts one run, so a step that is tried again does no harm.",
    "input": "The input that it is about.",
    "input_kinds": "Suffixes of the files that it reads.",
    "inputs": "Names of files in the container for inputs; a name that ends in a slash means all files below it.",
    "item": "The number of the item that it is about.",
    "items_done": "How many items were scored.",
    "items_failed": "How many items failed for good.",
    "items_total": "How many items there are.",
    "kind": "Whether a file, a call or a replay asked for it.",
    "lane": "How soon it is done: urgent, normal or offpeak.",
    "lanes": "The lanes that it may use.",
    "limit": "How many runs a page holds at most.",
    "max_workers": "Most workers that score for the run at the same time.",
    "media_type": "The kind of file, such as video/mp4.",
    "message": "What happened, in one sentence.",
    "model": "The model to use; the workload's own when nothing is chosen.",
    "models": "The models.",
    "more": "Whether there are more outputs than these; get the results to have them all.",
    "name": "Its name.",
    "note": "A free text that is shown with the run.",
    "outputs": "The outputs.",
    "options": "The options of the workload that is chosen.",
    "percent": "The share of the items that are settled, 0 to 100.",
    "policy": "Limits of the run; the defaults suit most runs.",
    "price_per_hour": "The price of an hour of one worker.",
    "progress": "How far the run is.",
    "report": "A link to the report as a page, for some minutes.",
    "run_id": "The id of the run.",
    "runs": "The runs of this page.",
    "secret": "The key that signs what is sent.",
    "shard_id": "The shard that it is about.",
    "size_bytes": "The size in bytes.",
    "sha256": "The digest of its bytes.",
    "source": "What asked for the run.",
    "status": "How the run stands, such as scoring, succeeded or failed.",
    "suspended_at": "Since when the run is suspended, in UTC.",
    "suspended_s": "How long the run was suspended before.",
    "tenant": "Whose run it is, where tenants are configured.",
    "title": "What it is, in a few words.",
    "tolerate_items": "Most items that may fail for good before the run fails; no limit when empty.",
    "trigger_name": "The file that asked for the run.",
    "type": "The kind of problem.",
    "updated_at": "When it changed last, in UTC.",
    "test": "Whether this was sent because somebody asked for a test.",
    "url": "Where to call.",
    "version": "The version.",
    "versions": "The versions of the model.",
    "worker_s": "Seconds in which workers scored for the run.",
    "workers": "How many workers score for it.",
    "workload": "The kind of scoring.",
    "workloads": "What can be scored.",
    "Notification": "What happened to a run. The same one may come more than once, with the same ID.",
    "RunDocument": "How a run stands, and what is known of it.",
    "WebhookDocument": "A subscription.",
    "RunRequest": "What to score, and how.",
    "ReplayRequest": "How to score what failed again.",
    "Problem": "What is wrong, and what to do about it.",
    "OutputDocument.url": "A link that reads the output without a key, for some minutes.",
    "Problem.status": "The HTTP status.",
    "GetOperation.run_id": "The id of the run to wait for.",
    "ReplayRun.run_id": "The id of the run whose failed items are scored again.",
    "SubscribeToEvent.run_id": "Only this run; all runs when empty.",
    "SubscribeToEvent.workload": "Only runs of this workload; all when nothing is chosen.",
    "ListOutputs.limit": "How many outputs are listed at most.",
    "ListRuns.workload": "Only runs of this workload; all when nothing is chosen.",
    "ListRuns.status": "Only runs of this status; all when nothing is chosen.",
    "ReplayRun.model": "The model to use; the very version of the first run when nothing is chosen.",
    "OptionsSchema.options": "The form, as JSON Schema.",
    "WorkloadDocument.options": "The options, as JSON Schema.",
}  # fmt: skip
"""By `Owner.field`, or by `field` for every owner, which is a contract or an operation of the API; by a contract's name
alone: what it is as a whole.
"""


def summary_of(name: str) -> str:
    """The title of a field or parameter, in title case."""
    if name in SUMMARIES:
        return SUMMARIES[name]
    parts = name.replace("-", "_").split("_")
    return " ".join(TITLES.get(part, part[:1].upper() + part[1:]) for part in parts)


def sentence_of(owner: str, name: str, written: str | None) -> str:
    """What a field or parameter means. Raises `LookupError` when nobody has written it."""
    words = SENTENCES.get(f"{owner}.{name}") or SENTENCES.get(name) or written
    if not words:
        raise LookupError(f"Write what {owner}.{name} means: below the field in its contract, or in {__name__}.")
    told = read_out(words)
    return told if told.endswith(".") else f"{told}."


def read_out(text: str) -> str:
    """The first paragraph of a text in one line, without the marks of Markdown, which designers show as they are."""
    return " ".join(text.partition("\n\n")[0].replace("`", "").split())
