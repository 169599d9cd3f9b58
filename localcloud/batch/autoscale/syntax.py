"""Tokens and syntax tree of autoscale formulas."""

import re
from collections.abc import Iterator
from dataclasses import dataclass


class FormulaSyntaxError(Exception):
    """A formula cannot be read: Azure refuses it when it is set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A piece of text; `kind` is `number`, `text`, `name`, `sign` or `end`. Lines count from 1."""

    kind: str
    text: str
    line: int


_TOKEN = re.compile(
    r"""(?P<blank>\s+|//[^\n]*|/\*.*?\*/)
    |(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)
    |(?P<text>"[^"\n]*"|'[^'\n]*')
    |(?P<name>\$?[A-Za-z_]\w*)
    |(?P<sign>&&|\|\||[=!<>]=|[-+*/<>!?:;=(),.])""",
    re.VERBOSE | re.DOTALL,
)


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a formula, an `end` last. Raises FormulaSyntaxError."""
    position, line = 0, 1
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise FormulaSyntaxError(f"line {line}: unexpected {text[position]!r}")
        kind = match.lastgroup or ""
        if kind != "blank":
            yield Token(kind=kind, text=match.group(), line=line)
        line += match.group().count("\n")
        position = match.end()
    yield Token(kind="end", text="the end", line=line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A literal number."""

    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A literal string, without its quotes."""

    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A variable or constant, with its `$` if it has one."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unary:
    """`-x` or `!x`."""

    sign: str
    operand: "Expression"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    """`left sign right`."""

    sign: str
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditional:
    """`condition ? yes : no`; only the chosen side is evaluated."""

    condition: "Expression"
    yes: "Expression"
    no: "Expression"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """`name(arguments)`."""

    name: str
    arguments: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """`target.name(arguments)`."""

    target: "Expression"
    name: str
    arguments: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """`target.name`, such as `time().weekday`."""

    target: "Expression"
    name: str


type Expression = Number | Text | Name | Unary | Binary | Conditional | Call | Method | Member


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """`name = value;`."""

    name: str
    value: Expression
    line: int
