"""What the API works with."""

from dataclasses import dataclass
from typing import Protocol

from dropscore.api.starting import Starter
from dropscore.cloud.ports import Cloud
from dropscore.contracts.base import Json
from dropscore.contracts.reading import Refusal
from dropscore.contracts.request import RunRequest


class Workloads(Protocol):
    """What can be scored."""

    def problems(self, request: RunRequest) -> Refusal:
        """What is wrong with a request that can be seen without looking at storage; empty when nothing is."""

    def describe(self) -> list[dict[str, Json]]:
        """Every workload with the JSON Schema of its options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What a request is answered with."""

    cloud: Cloud
    starter: Starter
    workloads: Workloads
