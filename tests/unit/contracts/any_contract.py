"""Values of any contract, made from its own fields and bounds."""

import importlib
import pkgutil
import types
from collections.abc import Iterator
from enum import Enum
from typing import Annotated, Any, Literal, TypeAliasType, Union, get_args, get_origin

import annotated_types as bounds
from hypothesis import strategies as st
from pydantic import StringConstraints, ValidationError
from pydantic.fields import FieldInfo

import dropscore.contracts
from dropscore.contracts.base import Contract, Json

TEXTS = st.text(max_size=12)
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def every_contract() -> list[type[Contract]]:
    """All contracts of `dropscore.contracts`."""
    for module in pkgutil.iter_modules(dropscore.contracts.__path__):
        importlib.import_module(f"dropscore.contracts.{module.name}")
    found = {one for one in _below(Contract) if one.__module__.startswith("dropscore.contracts.")}
    return sorted(found, key=lambda one: one.__name__)


def values_of[C: Contract](contract: type[C]) -> st.SearchStrategy[C]:
    """Valid values of a contract; what its validators refuse is left out."""
    fields = {name: _of_field(info) for name, info in contract.model_fields.items() if info.is_required()}
    optional = {name: _of_field(info) for name, info in contract.model_fields.items() if not info.is_required()}
    return st.fixed_dictionaries(fields, optional=optional).map(lambda said: _made(contract, said)).filter(bool)


def _made[C: Contract](contract: type[C], said: dict[str, Any]) -> C | None:
    try:
        return contract(**said)
    except ValidationError as error:
        if any(entry["type"] != "value_error" for entry in error.errors()):
            raise
        return None


def _below(contract: type[Contract]) -> Iterator[type[Contract]]:
    for one in contract.__subclasses__():
        yield one
        yield from _below(one)


def _of_field(info: FieldInfo) -> st.SearchStrategy[Any]:
    return _of(info.annotation, tuple(info.metadata))


def _of(kind: Any, limits: tuple[Any, ...] = ()) -> st.SearchStrategy[Any]:
    if kind is Json:
        return JSONS
    if isinstance(kind, TypeAliasType):
        return _of(kind.__value__, limits)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _of(arguments[0], (*limits, *arguments[1:]))
    if origin in (Union, types.UnionType):
        return st.one_of([_of(one, limits) for one in arguments])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        return _tuples(arguments, limits)
    if origin is dict:
        return st.dictionaries(_of(arguments[0]), _of(arguments[1]), max_size=3)
    return _of_class(kind, limits)


def _tuples(arguments: tuple[Any, ...], limits: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    if arguments[-1] is not Ellipsis:
        return st.tuples(*map(_of, arguments))
    least = max((one.min_length or 0 for one in _limits(limits) if isinstance(one, bounds.MinLen)), default=0)
    most = min((one.max_length for one in _limits(limits) if isinstance(one, bounds.MaxLen)), default=least + 2)
    return st.lists(_of(arguments[0]), min_size=least, max_size=min(most, least + 2)).map(tuple)


def _of_class(kind: Any, limits: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    if kind is type(None):
        return st.none()
    if kind is bool:
        return st.booleans()
    if issubclass(kind, Enum):
        return st.sampled_from(kind)
    if issubclass(kind, Contract):
        return values_of(kind)
    if kind is int:
        low, high = _range(limits, -(2**40), 2**40)
        return st.integers(int(low), int(high))
    if kind is float:
        low, high = _range(limits, -1e12, 1e12)
        above = any(isinstance(one, bounds.Gt) for one in _limits(limits))
        return st.floats(low, high, allow_nan=False, allow_infinity=False, exclude_min=above)
    assert kind is str, kind
    return _texts(limits)


def _texts(limits: tuple[Any, ...]) -> st.SearchStrategy[str]:
    for one in _limits(limits):
        if isinstance(one, StringConstraints) and one.pattern is not None:
            return st.from_regex(str(one.pattern).replace("$", r"\Z"), fullmatch=True)
    least = max((one.min_length or 0 for one in _limits(limits) if hasattr(one, "min_length")), default=0)
    return st.text(min_size=least, max_size=least + 12)


def _range(limits: tuple[Any, ...], low: float, high: float) -> tuple[float, float]:
    for one in _limits(limits):
        floors = [floor for name in ("ge", "gt") if (floor := getattr(one, name, None)) is not None]
        low = max([low, *floors])
        high = min([high, *([one.le] if getattr(one, "le", None) is not None else [])])
    return low, high


def _limits(limits: tuple[Any, ...]) -> Iterator[Any]:
    for one in limits:
        if isinstance(one, FieldInfo):
            yield from _limits(tuple(one.metadata))
        else:
            yield one
