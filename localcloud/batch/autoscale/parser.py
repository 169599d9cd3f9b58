"""From the text of a formula to its tree, by recursive descent; precedence as in C."""

from collections.abc import Sequence

from localcloud.batch.autoscale.syntax import (
    Assignment,
    Binary,
    Call,
    Conditional,
    Expression,
    FormulaSyntaxError,
    Member,
    Method,
    Name,
    Number,
    Text,
    Token,
    Unary,
    tokens,
)

_LEVELS: tuple[frozenset[str], ...] = (
    frozenset({"||"}),
    frozenset({"&&"}),
    frozenset({"==", "!="}),
    frozenset({"<", "<=", ">", ">="}),
    frozenset({"+", "-"}),
    frozenset({"*", "/"}),
)


def parse(text: str) -> tuple[Assignment, ...]:
    """The statements of a formula, in order. Raises FormulaSyntaxError with the line."""
    try:
        return _Parser(tuple(tokens(text))).statements()
    except RecursionError:
        raise FormulaSyntaxError("an expression is nested too deep") from None


class _Parser:
    def __init__(self, found: Sequence[Token]) -> None:
        self._tokens = found
        self._position = 0

    def statements(self) -> tuple[Assignment, ...]:
        found = []
        while self._here().kind != "end":
            found.append(self._statement())
        return tuple(found)

    def _statement(self) -> Assignment:
        name = self._take_kind("name")
        self._take("=")
        value = self._expression()
        if self._here().kind != "end":  # Azure accepts a last statement without its semicolon
            self._take(";")
        return Assignment(name=name.text, value=value, line=name.line)

    def _expression(self) -> Expression:
        condition = self._level(0)
        if self._here().text != "?":
            return condition
        self._next()
        yes = self._expression()
        self._take(":")
        return Conditional(condition=condition, yes=yes, no=self._expression())

    def _level(self, level: int) -> Expression:
        if level == len(_LEVELS):
            return self._unary()
        left = self._level(level + 1)
        while self._here().kind == "sign" and self._here().text in _LEVELS[level]:
            sign = self._next().text
            left = Binary(sign=sign, left=left, right=self._level(level + 1))
        return left

    def _unary(self) -> Expression:
        signs = []
        while self._here().kind == "sign" and self._here().text in {"-", "!"}:
            signs.append(self._next().text)
        value = self._postfix()
        for sign in reversed(signs):
            value = Unary(sign=sign, operand=value)
        return value

    def _postfix(self) -> Expression:
        value = self._primary()
        while self._here().text == ".":
            self._next()
            name = self._take_kind("name").text
            if self._here().text == "(":
                value = Method(target=value, name=name, arguments=self._arguments())
            else:
                value = Member(target=value, name=name)
        return value

    def _primary(self) -> Expression:
        token = self._next()
        if token.kind == "number":
            return Number(value=float(token.text))
        if token.kind == "text":
            return Text(value=token.text[1:-1])
        if token.kind == "name":
            if self._here().text == "(":
                return Call(name=token.text, arguments=self._arguments())
            return Name(name=token.text)
        if token.text == "(":
            inner = self._expression()
            self._take(")")
            return inner
        raise FormulaSyntaxError(f"line {token.line}: expected a value, found {token.text!r}")

    def _arguments(self) -> tuple[Expression, ...]:
        self._take("(")
        found: list[Expression] = []
        while self._here().text != ")":
            if found:
                self._take(",")
            found.append(self._expression())
        self._take(")")
        return tuple(found)

    def _here(self) -> Token:
        return self._tokens[self._position]

    def _next(self) -> Token:
        token = self._here()
        self._position = min(self._position + 1, len(self._tokens) - 1)
        return token

    def _take(self, text: str) -> None:
        token = self._next()
        if token.kind != "sign" or token.text != text:
            raise FormulaSyntaxError(f"line {token.line}: expected {text!r}, found {token.text!r}")

    def _take_kind(self, kind: str) -> Token:
        token = self._next()
        if token.kind != kind:
            raise FormulaSyntaxError(f"line {token.line}: expected a {kind}, found {token.text!r}")
        return token
