"""Writes down which stage a run has reached."""

from activities.states import RunStates
from dropscore.cloud.ports import Cloud
from dropscore.contracts.base import Json
from dropscore.contracts.codec import decode, encode
from dropscore.contracts.orchestration import RunRef, StatusChange


class StatusActivities:
    """The activity that records a status."""

    def __init__(self, cloud: Cloud) -> None:
        self._states = RunStates(cloud)

    def record_status(self, _ctx: object, payload: Json) -> Json:
        """`StatusChange` to `RunRef`. Going back, or staying, changes nothing."""
        change = decode(StatusChange, payload)
        self._states.change(change.run_id, self._states.enter(change.status, change.detail))
        return encode(RunRef(run_id=change.run_id))
