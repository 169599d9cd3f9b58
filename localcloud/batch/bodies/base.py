"""The base of request bodies, and the types their members share."""

from datetime import timedelta
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints
from pydantic.alias_generators import to_camel

from localcloud.emulation.clock import format_duration, parse_duration

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""Id of a pool, job or task: letters, digits, hyphen, underscore; at most 64 characters."""
DisplayName = Annotated[str, StringConstraints(max_length=1024)]
CommandLine = Annotated[str, StringConstraints(min_length=1)]
Opaque = dict[str, Any]
"""An object that is kept and given back, and that changes nothing here."""
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
RetryCount = Annotated[int, Field(ge=-1, le=2**31 - 1)]
"""How often a failed program is tried again; -1 for ever."""


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


Duration = Annotated[timedelta, BeforeValidator(_duration), PlainSerializer(format_duration)]


class Body(BaseModel):
    """A request body or a part of one. Members have camel case names on the wire; unknown ones are refused."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )

    def wire(self) -> dict[str, Any]:
        """The members that were given, as they go over the wire."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class NameValue(Body):
    """A name with a value: metadata, environment."""

    name: str
    value: str | None = None
