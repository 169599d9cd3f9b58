"""What can be scored: the workloads by name, their options, and what is wrong with a request for one."""

from dataclasses import dataclass
from typing import Any

from dropscore.contracts.base import Json
from dropscore.contracts.codec import decode
from dropscore.contracts.errors import ContractError
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.names import Lane
from dropscore.contracts.reading import Refusal, field_failures, suggestion
from dropscore.contracts.request import RunRequest
from dropscore.workloads.base import WorkloadDefinition, WorkloadOptions
from dropscore.workloads.registry import options_type, workloads


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A request whose workload exists and whose options fit it."""

    definition: WorkloadDefinition
    options: WorkloadOptions


class Catalogue:
    """The registered workloads."""

    def check(self, request: RunRequest) -> Checked | Refusal:
        """Read the options of a request as those of its workload."""
        known = workloads()
        definition = known.get(request.workload)
        if definition is None:
            message = f"There is no workload {request.workload!r}."
            action = suggestion(request.workload, known)
            return (failure(Code.WORKLOAD_UNKNOWN, message, field="workload", action=action),)
        contract = options_type(definition)
        try:
            return Checked(definition=definition, options=decode(contract, request.options))
        except ContractError as error:
            return field_failures(error, contract, Code.OPTION_INVALID, below="options")

    def problems(self, request: RunRequest) -> Refusal:
        """What is wrong with a request that can be seen without looking at storage; empty when nothing is."""
        checked = self.check(request)
        return () if isinstance(checked, Checked) else checked

    def describe(self) -> list[dict[str, Json]]:
        """Every workload with the JSON Schema of its options, as the API shows it."""
        return [_description(definition) for _, definition in sorted(workloads().items())]


def _description(definition: WorkloadDefinition) -> dict[str, Json]:
    contract = options_type(definition)
    schema: dict[str, Any] = contract.model_json_schema()
    return {
        "name": definition.name,
        "title": definition.title,
        "input_kinds": list(definition.input_kinds),
        "default_model": contract.model_construct().default_model,
        "lanes": [str(lane) for lane in Lane],
        "options": schema,
    }
