"""The base of every contract: a frozen, strict pydantic model that refuses unknown fields."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

type JsonScalar = str | int | float | bool | None
type Json = JsonScalar | list[Json] | dict[str, Json]

SCHEMA_VERSION = 1
"""Version of everything stored or sent. A reader refuses any other (see `codec.decode`)."""

RUN_ID = r"[a-z0-9][a-z0-9-]{2,47}"
RunId = Annotated[str, StringConstraints(pattern=f"^{RUN_ID}$")]
"""3 to 48 characters, letters a-z, digits and hyphens: valid as an instance id and inside every Azure name."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]


class Contract(BaseModel):
    """A value that crosses a process wall. Immutable; an instance that exists is valid."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class Stored(Contract):
    """A contract that is written to storage or a queue, and so carries its schema version."""

    schema_version: Literal[1] = 1
