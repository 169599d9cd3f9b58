"""A run as the API tells of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dropscore.contracts.codec import decode
from dropscore.contracts.errors import ContractError, FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.run import RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """A run's state, and the document it came in."""

    state: RunState
    document: dict[str, Any]

    @property
    def stage_times(self) -> Mapping[str, float]:
        """Seconds spent in each status so far, by the API's clock."""
        return _texts_or_numbers(self.document.get("stage_times"))

    @property
    def elapsed_s(self) -> float:
        """Seconds since the run was created; until its end, for one that has ended."""
        return sum(self.stage_times.values())

    @property
    def rate_per_s(self) -> float | None:
        """Items a second, as the API tells it; None where it does not."""
        return _number(_texts_or_numbers(self.document.get("progress")).get("rate_per_s"))

    @property
    def eta_s(self) -> float | None:
        """Seconds until the last item is scored, as the API tells it; None where it does not."""
        return _number(_texts_or_numbers(self.document.get("progress")).get("eta_s"))

    @property
    def documents(self) -> Mapping[str, str]:
        """Blobs that tell more of the run, as `<container>/<name>`: `report`, `manifest`, `receipt`."""
        return _texts_or_numbers(self.document.get("documents"))


def _texts_or_numbers(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def run_view(document: dict[str, Any]) -> RunView:
    """Read a run. Fields that this version does not know are kept in the document and otherwise passed over."""
    known = {name: value for name, value in document.items() if name in RunState.model_fields}
    try:
        return RunView(state=decode(RunState, known), document=document)
    except ContractError as error:
        raise FailedError.of(
            Code.INTERNAL,
            f"the API tells of a run in words that this version does not understand ({error})",
            action="Use the same version of dropscore on both sides.",
        ) from None
