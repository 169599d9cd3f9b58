"""Reads settings from a mapping of variables and collects everything that is wrong, to say it all at once."""

import math
import re
from collections.abc import Mapping

from dropscore.cloud.endpoints import bare_address, endpoint_problem
from dropscore.contracts.errors import SettingsError


class Environment:
    """Variables, and what is wrong with them so far.

    A getter that finds something wrong notes it and returns a stand-in; `check` then raises one `SettingsError`
    for all. Values appear in messages only where they are no secret.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._problems: list[tuple[str, str]] = []

    def has(self, name: str) -> bool:
        """Whether a variable is set to more than blanks."""
        return bool(self._variables.get(name, "").strip())

    def optional(self, name: str) -> str | None:
        """The value without blanks around it, or None when unset or blank."""
        return self._variables.get(name, "").strip() or None

    def text(
        self,
        name: str,
        default: str | None = None,
        *,
        pattern: str | None = None,
        fix: str = "Set it to a value.",
    ) -> str:
        """A text, wholly matching `pattern` if given; `fix` says what to set."""
        value = self.optional(name) or default
        if value is None:
            self.problem(name, f"is not set. {fix}")
            return ""
        if pattern is not None and re.fullmatch(pattern, value) is None:
            self.problem(name, f"is {value!r}. {fix}")
            return ""
        return value

    def number(self, name: str, default: float, *, least: float, most: float, fix: str) -> float:
        """A finite number from `least` to `most`."""
        value = self.optional(name)
        if value is None:
            return default
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not least <= number <= most:
            self.problem(name, f"is {value!r}. {fix}")
            return default
        return number

    def whole(self, name: str, default: int, *, least: int, most: int, fix: str) -> int:
        """A whole number from `least` to `most`, in decimal digits."""
        value = self.optional(name)
        if value is None:
            return default
        if re.fullmatch(r"\d{1,18}", value) is None or not least <= int(value) <= most:
            self.problem(name, f"is {value!r}. {fix}")
            return default
        return int(value)

    def endpoint(self, name: str, default: str | None = None, *, fix: str) -> str:
        """The address of a service, without a slash at its end: https, or http to this machine."""
        value = self.text(name, default, fix=fix).rstrip("/")
        if not value:
            return ""
        trouble = endpoint_problem(value)
        if trouble:
            self.problem(name, f"is {bare_address(value)!r}, which {trouble}.")
        return value

    def secret(self, name: str, *, fix: str) -> str | None:
        """A key or token, or None when unset: visible ASCII characters, as a header takes it. Its value is in no
        message.
        """
        value = self.optional(name)
        if value is not None and re.fullmatch(r"[!-~]{1,16384}", value) is None:
            self.problem(name, f"has blanks, or characters that no key has. {fix}")
            return None
        return value

    def problem(self, name: str, what: str) -> None:
        """Note that a variable is wrong: `what` follows its name."""
        self._problems.append((name, what))

    def check(self) -> None:
        """Raise `SettingsError` when anything was wrong."""
        if self._problems:
            raise SettingsError(tuple(self._problems))
