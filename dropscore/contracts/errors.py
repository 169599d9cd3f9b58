"""The exception tree.

    DropscoreError
    ├── FailedError                 carries a Failure: bad input, out of memory, device lost, bug
    ├── ContractError               a payload does not fit its contract (also a ValueError)
    ├── SettingsError               the environment lacks a setting, or has one that is wrong (also a ValueError)
    ├── TransientCloudError         throttled, timed out, reset: try again
    ├── PermanentCloudError         refused for good
    │   ├── NotFoundError           the blob, queue, task or group does not exist
    │   ├── PreconditionError       it exists already, or changed since it was read
    │   ├── AccessDeniedError       no right to it
    │   ├── StorageFullError        the account takes no more writes
    │   └── ContainerGoneError      the container or queue itself does not exist
    ├── LeaseLostError              somebody else owns the message now
    └── SignatureError              a notification was not signed as ours are

Vendor exceptions are translated into these once, at each adapter (`dropscore.cloud.translate`). Code that
must choose between "again" and "never" looks at the type alone.
"""

from dropscore.contracts.failures import Code, Failure, failure


class DropscoreError(Exception):
    """Something in dropscore went wrong."""


class FailedError(DropscoreError):
    """Work cannot be done; `failure` says why, in the words a user will read."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.code}: {failure.message}")
        self.failure = failure

    @classmethod
    def of(
        cls,
        code: Code,
        message: str | None = None,
        *,
        field: str | None = None,
        input: str | None = None,
        item: int | None = None,
        last_item: int | None = None,
        shard_id: int | None = None,
        detail: str | None = None,
        action: str | None = None,
    ) -> "FailedError":
        """Raise-ready error for `code`; the arguments are those of `failures.failure`."""
        why = failure(
            code,
            message,
            field=field,
            input=input,
            item=item,
            last_item=last_item,
            shard_id=shard_id,
            detail=detail,
            action=action,
        )
        return cls(why)


class ContractError(DropscoreError, ValueError):
    """A payload does not fit its contract: `problems` lists (JSON path, reason)."""

    def __init__(self, contract: str, problems: tuple[tuple[str, str], ...]) -> None:
        self.contract = contract
        self.problems = problems
        listed = "; ".join(f"{path}: {reason}" for path, reason in problems[:5])
        more = f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""
        super().__init__(f"{contract}: {listed}{more}")


class SettingsError(DropscoreError, ValueError):
    """Settings are missing or wrong: `problems` lists (variable, what is wrong and how to put it right)."""

    def __init__(self, problems: tuple[tuple[str, str], ...]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{variable} {problem}" for variable, problem in problems))


class TransientCloudError(DropscoreError):
    """A cloud service did not answer this time."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class PermanentCloudError(DropscoreError):
    """A cloud service refused."""


class NotFoundError(PermanentCloudError):
    """It does not exist."""


class PreconditionError(PermanentCloudError):
    """It exists already, or changed since it was read."""


class AccessDeniedError(PermanentCloudError):
    """There is no right to it."""


class StorageFullError(PermanentCloudError):
    """The account takes no more writes."""


class ContainerGoneError(PermanentCloudError):
    """The container of a blob, or a queue, does not exist: another matter than a blob that does not."""


class LeaseLostError(DropscoreError):
    """The message's receipt is stale: another worker owns it."""


class SignatureError(DropscoreError):
    """A notification was not signed with this secret, or not now."""
