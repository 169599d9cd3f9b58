"""From the text of a formula to the numbers of nodes it asks for."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from random import Random

from localcloud.batch.autoscale import functions
from localcloud.batch.autoscale.functions import StopEvaluationError, Surroundings
from localcloud.batch.autoscale.parser import parse
from localcloud.batch.autoscale.samples import FIELDS, METRICS, History
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
    Unary,
)
from localcloud.batch.autoscale.values import (
    INTERVALS,
    DeallocationOption,
    EvaluationError,
    Value,
    compute,
    in_text,
    is_true,
    negate,
    number,
)

MAX_CHARACTERS = 8192
MAX_STATEMENTS = 100
DEDICATED, LOW_PRIORITY, DEALLOCATION = "$TargetDedicatedNodes", "$TargetLowPriorityNodes", "$NodeDeallocationOption"
_ALIASES = {"$TargetDedicated": DEDICATED, "$TargetLowPriority": LOW_PRIORITY}
_WRITABLE = frozenset({DEDICATED, LOW_PRIORITY, DEALLOCATION, *_ALIASES})
_OPTIONS = {option.value: option for option in DeallocationOption}


class FormulaTooLongError(FormulaSyntaxError):
    """A formula has more characters or statements than Azure accepts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """How many nodes of each kind a pool should have, and what happens to tasks on nodes that leave."""

    dedicated: int
    low_priority: int
    option: DeallocationOption = DeallocationOption.REQUEUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an evaluation gave. `results` lists targets and user variables as Azure prints them."""

    targets: Targets
    results: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """A formula that can be evaluated; make one with `compile_formula`."""

    statements: tuple[Assignment, ...]

    def evaluate(self, current: Targets, history: History, *, now: datetime, random: Random) -> Outcome:
        """Evaluate over the pool's samples, starting from its `current` targets. Raises EvaluationError."""
        run = _Run(current, history, Surroundings(now=now, random=random))
        for statement in self.statements:
            try:
                run.variables[statement.name] = run.value(statement.value)
            except StopEvaluationError:
                break
            except EvaluationError as error:
                raise EvaluationError(f"line {statement.line}: {error}") from None
            except RecursionError:
                raise EvaluationError(f"line {statement.line}: the expression is nested too deep") from None
        return run.outcome()


def compile_formula(text: str) -> Formula:
    """Read a formula. Raises FormulaSyntaxError, also for unknown names and for assigning what is read-only."""
    if len(text) > MAX_CHARACTERS:
        raise FormulaTooLongError(f"{len(text)} characters; {MAX_CHARACTERS} are allowed")
    statements = parse(text)
    if len(statements) > MAX_STATEMENTS:
        raise FormulaTooLongError(f"{len(statements)} statements; {MAX_STATEMENTS} are allowed")
    known = {*FIELDS, *METRICS, *_WRITABLE, *INTERVALS, *_OPTIONS}
    for statement in statements:
        if problem := _first_problem(statement, known):
            raise FormulaSyntaxError(f"line {statement.line}: {problem}")
        if statement.name in {*FIELDS, *METRICS, *INTERVALS}:
            raise FormulaSyntaxError(f"line {statement.line}: {statement.name} is read-only")
        known.add(statement.name)
    return Formula(statements=statements)


def _first_problem(statement: Assignment, known: set[str]) -> str | None:
    try:
        return next(_problems(statement.value, known), None)
    except RecursionError:
        return "the expression is nested too deep"


def _problems(expression: Expression, known: set[str]) -> Iterator[str]:
    """Names in an expression that nothing has defined."""
    match expression:
        case Name(name=name) if name not in known:
            yield f"{name} is not defined"
        case Call(name=name) if name not in functions.NAMES:
            yield f"there is no function {name}"
        case Method(name=name) if name not in functions.METHODS:
            yield f"there is no method {name}"
        case Member(name=name) if name not in functions.MEMBERS:
            yield f"there is no member {name}"
    for child in _children(expression):
        yield from _problems(child, known)


def _children(expression: Expression) -> tuple[Expression, ...]:  # noqa: PLR0911 - a row for each kind
    match expression:
        case Unary(operand=operand):
            return (operand,)
        case Binary(left=left, right=right):
            return (left, right)
        case Conditional(condition=condition, yes=yes, no=no):
            return (condition, yes, no)
        case Call(arguments=arguments):
            return arguments
        case Method(target=target, arguments=arguments):
            return (target, *arguments)
        case Member(target=target):
            return (target,)
    return ()


class _Run:
    """One evaluation: the variables so far."""

    def __init__(self, current: Targets, history: History, around: Surroundings) -> None:
        self._history = history
        self._around = around
        self._current = current
        self.variables: dict[str, Value] = {}
        self._given: Mapping[str, Value] = {
            DEDICATED: float(current.dedicated),
            LOW_PRIORITY: float(current.low_priority),
            DEALLOCATION: current.option,
            **INTERVALS,
            **_OPTIONS,
        }

    def value(self, expression: Expression) -> Value:  # noqa: PLR0911 - a row for each kind
        """The value of an expression. Raises EvaluationError and StopEvaluationError."""
        match expression:
            case Number(value=literal):
                return literal
            case Text(value=text):
                return text
            case Name(name=name):
                return self._read(name)
            case Unary(sign=sign, operand=operand):
                return negate(sign, self.value(operand))
            case Conditional(condition=condition, yes=yes, no=no):
                return self.value(yes if is_true(self.value(condition)) else no)
            case Binary(sign=sign, left=left, right=right):
                return self._binary(sign, left, right)
            case Call(name=name, arguments=arguments):
                return functions.call(name, [self.value(item) for item in arguments], self._around)
            case Member(target=target, name=name):
                return functions.member(self.value(target), name)
            case Method(target=target, name=name, arguments=arguments):
                values = [self.value(item) for item in arguments]
                return functions.method(self.value(target), name, values, self._around)

    def _read(self, name: str) -> Value:
        if name in self.variables:
            return self.variables[name]
        if name in FIELDS or name in METRICS:
            return self._history.series(name)
        return self._given[_ALIASES.get(name, name)]

    def _binary(self, sign: str, left: Expression, right: Expression) -> Value:
        if sign in {"&&", "||"}:
            decided = is_true(self.value(left))
            if decided is (sign == "||"):
                return float(decided)
            return float(is_true(self.value(right)))
        return compute(sign, self.value(left), self.value(right))

    def outcome(self) -> Outcome:
        """Targets and printed results; the full name of a variable wins over its alias."""
        dedicated = self._count(DEDICATED, "$TargetDedicated", self._current.dedicated)
        low_priority = self._count(LOW_PRIORITY, "$TargetLowPriority", self._current.low_priority)
        option = self.variables.get(DEALLOCATION, self._current.option)
        if not isinstance(option, DeallocationOption):
            raise EvaluationError(f"{DEALLOCATION} must be one of {', '.join(_OPTIONS)}")
        printed = {DEDICATED: str(dedicated), LOW_PRIORITY: str(low_priority), DEALLOCATION: option.value}
        users = {name: in_text(value) for name, value in self.variables.items() if name not in _WRITABLE}
        results = ";".join(f"{name}={value}" for name, value in (printed | users).items())
        return Outcome(targets=Targets(dedicated=dedicated, low_priority=low_priority, option=option), results=results)

    def _count(self, name: str, alias: str, current: int) -> int:
        """A target as whole nodes: parts of a node are cut off, less than none is none."""
        given = self.variables.get(name, self.variables.get(alias))
        if given is None:
            return current
        count = number(given, name)
        if not math.isfinite(count):
            raise EvaluationError(f"{name} is {count}")
        return max(0, int(count))
