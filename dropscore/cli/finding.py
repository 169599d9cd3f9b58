"""Find a run by the beginning of its id."""

from dropscore.cli.client import Api
from dropscore.cli.views import RunView
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code

MOST_LOOKED_AT = 5_000


def find_run(api: Api, text: str) -> RunView:
    """The run of this id, or the only one whose id, or the digest at its end, begins like this.

    Raises `FailedError` (E-RUN-UNKNOWN) when there is none or more than one.
    """
    try:
        return api.run(text)
    except FailedError as error:
        if error.failure.code is not Code.RUN_UNKNOWN:
            raise
    found = [run.state.run_id for run in api.runs(most=MOST_LOOKED_AT) if _begins(run.state.run_id, text)]
    if len(found) == 1:
        return api.run(found[0])
    if not found:
        raise FailedError.of(Code.RUN_UNKNOWN, f"there is no run whose id begins with {text!r}")
    listed = ", ".join(found[:5]) + (" …" if len(found) > 5 else "")
    raise FailedError.of(
        Code.RUN_UNKNOWN, f"{len(found)} runs begin with {text!r}: {listed}", action="Write more of the id."
    )


def _begins(run_id: str, text: str) -> bool:
    return run_id.startswith(text) or run_id.rpartition("-")[2].startswith(text)
