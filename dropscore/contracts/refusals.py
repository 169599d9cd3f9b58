"""What it means when storage does answer, and says no: whoever meets it says the same."""

from dropscore.contracts.errors import AccessDeniedError, ContainerGoneError, StorageFullError
from dropscore.contracts.failures import Code, Failure, failure

_SAID: dict[str, tuple[Code, str | None]] = {
    AccessDeniedError.__name__: (Code.STORAGE_REFUSED, None),
    StorageFullError.__name__: (Code.STORAGE_REFUSED, "Storage takes no more writes: the account is full."),
    ContainerGoneError.__name__: (Code.STORAGE_GONE, None),
}

REFUSALS = tuple(_SAID)
"""Names of the exceptions that are refusals: where an exception comes over a wall, its name is all there is."""


def refusal_of(error: BaseException) -> Failure | None:
    """What a user reads of an exception that is a refusal of storage; None for any other."""
    name = type(error).__name__
    return refusal(name, str(error)) if name in _SAID else None


def refusal(name: str, said: str) -> Failure:
    """What a user reads of a refusal: `name` is the exception's (of `REFUSALS`), `said` its text."""
    code, message = _SAID[name]
    return failure(code, message, detail=said)
