"""Errors of the API: problem documents (RFC 9457)."""

from typing import Annotated

from pydantic import Field

from dropscore.contracts.base import Contract


class ProblemError(Contract):
    """One thing that is wrong: its stable code, one sentence, and the one next thing to do."""

    code: str
    message: str
    action: str
    field: str | None = None
    """The field, parameter or header, as a path such as `options.strength`."""
    input: str | None = None


class Problem(Contract):
    """A problem document: the first of `errors` told as the problem, all of them listed."""

    type: str
    """`urn:dropscore:problem:<code>`."""
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    code: str
    message: str
    action: str
    field: str | None = None
    input: str | None = None
    errors: tuple[ProblemError, ...]
