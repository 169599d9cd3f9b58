"""`$filter`, `$select`, `$expand`: the part of OData that Azure Batch has.

filter      = or;  or = and {"or" and};  and = unary {"and" unary};  unary = ["not"] primary
primary     = "(" or ")" | startswith(path, 'text') | path operator literal
operator    = eq ne gt ge lt le
literal     = 'text' | number | true | false | null | datetime'2025-01-01T00:00:00Z'
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from localcloud.batch.http.refusals import refuse
from localcloud.emulation.clock import parse_instant
from localcloud.emulation.routing import ServiceError

Resource = Mapping[str, Any]
Predicate = Callable[[Resource], bool]

_TOKEN = re.compile(
    r"\s*(?:(?P<moment>datetime'[^']*')|(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<name>[A-Za-z_]\w*(?:/[A-Za-z_]\w*)*)|(?P<sign>[(),]))"
)
_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_WORDS: Mapping[str, Any] = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    kind: str
    text: str


def parse_filter(text: str, properties: frozenset[str]) -> Predicate:
    """The predicate of a `$filter`; `properties` are the paths it may name. Raises ServiceError."""
    parser = _Parser(_tokens(text), properties)
    try:
        predicate = parser.either()
    except RecursionError:
        raise _wrong("it is nested too deep") from None
    parser.expect("end")
    return predicate


def select(resource: Resource, names: str | None, properties: frozenset[str]) -> dict[str, Any]:
    """The members that `$select` names, or all. Raises ServiceError."""
    if names is None:
        return dict(resource)
    wanted = {name.strip() for name in names.split(",") if name.strip()}
    for name in sorted(wanted - properties):
        raise refuse("InvalidQueryParameterValue", f"$select names {name!r}, which there is not.", QueryName="$select")
    return {name: value for name, value in resource.items() if name in wanted}


def expands_statistics(text: str | None) -> bool:
    """Whether `$expand` asks for `stats`, the only thing it can. Raises ServiceError."""
    wanted = {name.strip() for name in (text or "").split(",") if name.strip()}
    if wanted - {"stats"}:
        raise refuse("InvalidQueryParameterValue", f"$expand takes stats, not {text!r}.", QueryName="$expand")
    return bool(wanted)


def _wrong(reason: str) -> ServiceError:
    return refuse("InvalidQueryParameterValue", f"$filter cannot be read: {reason}.", QueryName="$filter")


def _tokens(text: str) -> Sequence[_Token]:
    found, position, text = [], 0, text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _wrong(f"unexpected {text[position : position + 20]!r}")
        kind = match.lastgroup or ""
        found.append(_Token(kind=kind, text=match.group(kind)))
        position = match.end()
    return (*found, _Token(kind="end", text="the end"))


class _Parser:
    def __init__(self, tokens: Sequence[_Token], properties: frozenset[str]) -> None:
        self._tokens = tokens
        self._position = 0
        self._properties = properties

    def either(self) -> Predicate:
        parts = [self._both()]
        while self._take_word("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else lambda resource: any(part(resource) for part in parts)

    def _both(self) -> Predicate:
        parts = [self._unary()]
        while self._take_word("and"):
            parts.append(self._unary())
        return parts[0] if len(parts) == 1 else lambda resource: all(part(resource) for part in parts)

    def _unary(self) -> Predicate:
        if self._take_word("not"):
            inner = self._unary()
            return lambda resource: not inner(resource)
        return self._primary()

    def _primary(self) -> Predicate:
        token = self._next()
        if token.text == "(":
            inner = self.either()
            self.expect("sign", ")")
            return inner
        if token.kind != "name":
            raise _wrong(f"expected a property, found {token.text!r}")
        if token.text == "startswith" and self._here().text == "(":
            return self._startswith()
        return self._comparison(token.text)

    def _startswith(self) -> Predicate:
        self.expect("sign", "(")
        path = self._path(self.expect("name").text)
        self.expect("sign", ",")
        prefix = _text(self.expect("text").text)
        self.expect("sign", ")")
        return lambda resource: str(_value(resource, path) or "").startswith(prefix)

    def _comparison(self, name: str) -> Predicate:
        path = self._path(name)
        sign = self.expect("name").text
        if sign not in _OPERATORS:
            raise _wrong(f"there is no operator {sign!r}")
        literal = self._literal()
        return lambda resource: _compare(_OPERATORS[sign], sign, _value(resource, path), literal)

    def _literal(self) -> Any:
        token = self._next()
        if token.kind == "moment":
            try:
                return parse_instant(token.text[len("datetime'") : -1])
            except ValueError:
                raise _wrong(f"{token.text} is not a time") from None
        if token.kind == "text":
            return _text(token.text)
        if token.kind == "number":
            return float(token.text)
        if token.kind == "name" and token.text in _WORDS:
            return _WORDS[token.text]
        raise _wrong(f"expected a value, found {token.text!r}")

    def _path(self, name: str) -> tuple[str, ...]:
        if name not in self._properties:
            raise _wrong(f"there is no property {name!r}")
        return tuple(name.split("/"))

    def expect(self, kind: str, text: str | None = None) -> _Token:
        """Take a token of this kind, and text if given. Raises ServiceError."""
        token = self._next()
        if token.kind != kind or (text is not None and token.text != text):
            raise _wrong(f"expected {text or kind}, found {token.text!r}")
        return token

    def _take_word(self, word: str) -> bool:
        if self._here().kind == "name" and self._here().text == word:
            self._next()
            return True
        return False

    def _here(self) -> _Token:
        return self._tokens[self._position]

    def _next(self) -> _Token:
        token = self._here()
        self._position = min(self._position + 1, len(self._tokens) - 1)
        return token


def _text(quoted: str) -> str:
    return quoted[1:-1].replace("''", "'")


def _value(resource: Resource, path: Sequence[str]) -> Any:
    value: Any = resource
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _compare(compare: Callable[[Any, Any], bool], sign: str, value: Any, literal: Any) -> bool:
    """A member that is absent is equal to nothing and in no order to anything."""
    if isinstance(literal, datetime) and isinstance(value, str):
        value = parse_instant(value)
    if sign in {"eq", "ne"}:
        return compare(value, literal)
    numbers = isinstance(value, int | float) and isinstance(literal, int | float)
    return (numbers or type(value) is type(literal)) and value is not None and compare(value, literal)
