"""Trigger files of which nobody knows: their event was lost, or whoever had it died too soon."""

from collections.abc import Iterator

from activities.sweeping.rounds import Round
from dropscore.cloud.ports import BlobInfo
from dropscore.contracts import layout
from dropscore.contracts.identity import run_id_of_trigger
from dropscore.contracts.names import Account
from dropscore.contracts.sweep import SweepDeed

EVENT_S = 15.0
"""A trigger file younger than this may have its event on the way."""


def missed_triggers(round: Round, after: str) -> Iterator[str]:
    """Start the run of each trigger file that has neither a run nor a rejection of its present version."""
    account = round.ports.cloud.accounts[Account.DATA]
    for info in round.ports.cloud.blobs.list(layout.triggers_prefix(), start_from=after or None):
        round.saw("triggers")
        name = info.path.name
        known = run_id_of_trigger(account, name, info.etag) in round.entries
        if not known and round.time.since_s(info.modified_at) >= EVENT_S:
            with round.trying(f"start the run of the trigger file {name}"):
                _start(round, info)
        yield name


def _start(round: Round, info: BlobInfo) -> None:
    name = info.path.name
    rejected = round.ports.cloud.blobs.head(layout.rejected(name))
    if rejected is not None and rejected.modified_at >= info.modified_at:  # two times of one account
        return
    run_id = round.starts.missed(name)
    if run_id is not None:
        round.did(SweepDeed.TRIGGER_STARTED, name, f"A trigger file of which nobody knew was started as {run_id}.")
