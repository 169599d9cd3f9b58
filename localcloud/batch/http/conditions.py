"""Conditional requests: the four headers against a resource's version."""

from datetime import datetime

from localcloud.batch.http.refusals import refuse
from localcloud.batch.state.stamps import etag
from localcloud.emulation.clock import parse_http_date
from localcloud.emulation.routing import Call, ServiceError


def check_conditions(call: Call, modified_at: datetime) -> None:
    """Raise ServiceError when a condition of the request does not hold: 304 for unchanged reads, else 412."""
    current = etag(modified_at)
    if (wanted := call.headers.get("if-match")) and not _matches(wanted, current):
        raise _not_met(f"If-Match is {wanted}, the ETag is {current}.")
    if (unwanted := call.headers.get("if-none-match")) and _matches(unwanted, current):
        raise _unchanged(call, f"If-None-Match is {unwanted}, and so is the ETag.")
    whole_second = modified_at.replace(microsecond=0)
    if (since := _date(call, "if-modified-since")) and whole_second <= since:
        raise _unchanged(call, "It was not modified since.")
    if (until := _date(call, "if-unmodified-since")) and whole_second > until:
        raise _not_met("It was modified since.")


def _matches(header: str, current: str) -> bool:
    tags = {tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")}
    return "*" in tags or current in tags


def _date(call: Call, name: str) -> datetime | None:
    text = call.headers.get(name)
    if text is None:
        return None
    try:
        return parse_http_date(text)
    except ValueError:
        raise refuse("InvalidHeaderValue", f"{name} is not a date: {text!r}.") from None


def _not_met(reason: str) -> ServiceError:
    return refuse("ConditionNotMet", f"The condition specified in the request headers was not met. {reason}")


def _unchanged(call: Call, reason: str) -> ServiceError:
    if call.method in {"GET", "HEAD"}:
        return ServiceError(304, "ConditionNotMet", reason)
    return _not_met(reason)
