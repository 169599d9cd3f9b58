"""What the command prints: for people, or as JSON for programs. Results go to stdout, everything else to stderr."""

import json
import sys
from typing import Final

from rich.console import Console, RenderableType
from rich.text import Text

from dropscore.contracts.base import Json
from dropscore.contracts.failures import Failure

PIPED_WIDTH: Final = 200
"""Columns for output that goes to a file or another program."""


class Screen:
    """Prints results and errors. Rich leaves out colours and escape codes where the output is no terminal, and
    colours where `NO_COLOR` is set.
    """

    def __init__(self, *, as_json: bool = False, out: Console | None = None, err: Console | None = None) -> None:
        self.as_json = as_json
        self.out = out or _console(stderr=False)
        self.err = err or _console(stderr=True)

    @property
    def lively(self) -> bool:
        """Whether something that moves may be shown: to a person, at a terminal."""
        return self.out.is_terminal and not self.out.is_dumb_terminal and not self.as_json

    def document(self, value: Json) -> None:
        """The one JSON document of a command."""
        self._write(json.dumps(value, ensure_ascii=False, indent=2))

    def line(self, value: Json) -> None:
        """One line of JSON, at once."""
        self._write(json.dumps(value, ensure_ascii=False))

    def show(self, renderable: RenderableType = "") -> None:
        """A result for people. Text is taken as it is: names of files are no markup."""
        self.out.print(renderable, markup=False, highlight=False, soft_wrap=isinstance(renderable, str | Text))

    def say(self, text: str) -> None:
        """A remark for people that is no result; nothing when the output is JSON."""
        if not self.as_json:
            self.err.print(Text(text, style="dim"), soft_wrap=True)

    def fail(self, *failures: Failure) -> None:
        """An error: code, sentence and next action of everything that is wrong."""
        if self.as_json:
            told: list[Json] = [failure.model_dump(mode="json", exclude_none=True) for failure in failures]
            self.document({"error": told[0], "errors": told})
            return
        for failure in failures:
            self.err.print(Text.assemble((failure.code.value, "bold red"), "  ", failure.message), soft_wrap=True)
            self.err.print(Text.assemble(("→ ", "dim"), failure.action), soft_wrap=True)

    def _write(self, text: str) -> None:
        self.out.file.write(text + "\n")
        self.out.file.flush()


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPED_WIDTH
    return Console(stderr=stderr, width=width, emoji=False, legacy_windows=False)
