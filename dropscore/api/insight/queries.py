"""Reads the query of an operation. Every mistake is a `FailedError` (E-REQUEST-FIELD) that names the parameter."""

from enum import StrEnum

from starlette.requests import Request

from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.reading import suggestion


def refuse_unknown(request: Request, known: tuple[str, ...]) -> None:
    """Raise for a parameter that the operation has not."""
    for name in request.query_params:
        if name not in known:
            message = f"{name[:40]}: unknown parameter."
            raise FailedError.of(Code.REQUEST_FIELD, message, field=name[:40], action=suggestion(name, known))


def whole(request: Request, name: str, default: int, *, least: int, most: int) -> int:
    """A whole number from `least` to `most`, in decimal digits."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= 12 and least <= int(text) <= most):
        message = f"{name}: {text[:20]!r} is no whole number from {least} to {most}."
        raise FailedError.of(Code.REQUEST_FIELD, message, field=name)
    return int(text)


def member[E: StrEnum](request: Request, name: str, kind: type[E]) -> E | None:
    """A member of an enumeration by its value; None where it is not given."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        return kind(text)
    except ValueError:
        message = f"{name}: there is no {name} {text[:40]!r}."
        raise FailedError.of(
            Code.REQUEST_FIELD, message, field=name, action=suggestion(text[:40], list(kind))
        ) from None
