"""What was given before the command's name: it stands for the variable of the same meaning.

Standard library only: `--help` loads this.
"""

from collections.abc import Mapping
from contextvars import ContextVar

_GIVEN: ContextVar[Mapping[str, str]] = ContextVar("given")


def give(url: str | None, key: str | None) -> None:
    """Take down the address and the key of this call."""
    given = {"DROPSCORE_URL": url, "DROPSCORE_KEY": key}
    _GIVEN.set({name: value for name, value in given.items() if value is not None})


def with_given(variables: Mapping[str, str]) -> Mapping[str, str]:
    """The environment, with what was given in its place."""
    return {**variables, **_GIVEN.get({})}
