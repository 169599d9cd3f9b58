"""Failures as values: a class decided once, a stable code, one sentence, one next action."""

from dropscore.contracts.base import Contract
from dropscore.contracts.codes import CODES, Code, CodeEntry, FailureClass
from dropscore.contracts.masking import masked

__all__ = ["CODES", "Code", "CodeEntry", "Failure", "FailureClass", "failure"]


class Failure(Contract):
    """A failure as it appears in verdicts, reports, the API and `rejected/`.

    `message` is one sentence that names the field, the value and the reason. `action` is the one next
    thing to do. `detail` holds more for operators (a traceback, a provider's own words), and no secret.
    """

    code: Code
    failure_class: FailureClass
    message: str
    action: str
    field: str | None = None
    """The field of the request, as a path such as `options.style_weight`."""
    input: str | None = None
    item: int | None = None
    last_item: int | None = None
    """The last of several items that fail together, `item` being the first; None when it is one."""
    shard_id: int | None = None
    detail: str | None = None

    @property
    def permanent(self) -> bool:
        """Whether trying the same thing again is pointless."""
        return self.failure_class in (FailureClass.BAD_INPUT, FailureClass.CANCELLED)


def failure(
    code: Code,
    message: str | None = None,
    *,
    action: str | None = None,
    field: str | None = None,
    input: str | None = None,
    item: int | None = None,
    last_item: int | None = None,
    shard_id: int | None = None,
    detail: str | None = None,
) -> Failure:
    """Build the failure of `code`, with the table's sentence and action unless given better ones. What looks like a
    secret in the texts given is masked.
    """
    entry = CODES[code]
    return Failure(
        code=code,
        failure_class=entry.failure_class,
        message=masked(message) if message else entry.meaning,
        action=action or entry.action,
        field=field,
        input=masked(input) if input else input,
        item=item,
        last_item=last_item,
        shard_id=shard_id,
        detail=masked(detail) if detail else detail,
    )
