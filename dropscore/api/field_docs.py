"""What the fields of contracts mean, read from where it is written: the text below a field, or `Attributes:` above it.

It is read when somebody asks for the description of the API, not when a contract is made: the Function app starts
without looking into its own source.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import pairwise
from typing import Any, get_args

from dropscore.contracts.base import Contract

_ATTRIBUTE = re.compile(r"^    (\w+): (.+?)(?=^    \w+: |\Z)", re.DOTALL | re.MULTILINE)


def described(schemas: Mapping[str, Any], contracts: Iterable[type[Contract]]) -> dict[str, Any]:
    """Schemas by the name of their contract, every field with what is written about it."""
    docs = {one.__name__: field_docs(one) for contract in contracts for one in within(contract)}
    return {name: _with_docs(schema, docs.get(name.partition("-")[0], {})) for name, schema in schemas.items()}


def within(contract: type[Contract]) -> set[type[Contract]]:
    """A contract and those that it is made of."""
    found: set[type[Contract]] = set()
    waiting: list[Any] = [contract]
    while waiting:
        one = waiting.pop()
        if isinstance(one, type) and issubclass(one, Contract):
            if one not in found:
                found.add(one)
                waiting += [field.annotation for field in one.model_fields.values()]
        else:
            waiting += get_args(one)
    return found


def _with_docs(schema: Mapping[str, Any], docs: Mapping[str, str]) -> dict[str, Any]:
    fields = schema.get("properties")
    if not fields:
        return dict(schema)
    told = {name: {"description": docs[name]} | one if name in docs else one for name, one in fields.items()}
    return {**schema, "properties": told}


@cache
def field_docs(contract: type[Contract]) -> dict[str, str]:
    """What each field of a contract means, by its name; what nothing is written about is absent."""
    docs: dict[str, str] = {}
    for one in reversed(contract.__mro__):
        if issubclass(one, Contract):
            docs |= _written(one)
    return docs


def _written(contract: type[Contract]) -> dict[str, str]:
    (written,) = ast.parse(textwrap.dedent(inspect.getsource(contract))).body
    if not isinstance(written, ast.ClassDef):
        return {}
    docs = _attributes(ast.get_docstring(written) or "")
    for field, text in pairwise(written.body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(value))):
                docs[name] = inspect.cleandoc(value).replace("\n", " ")
    return docs


def _attributes(docstring: str) -> dict[str, str]:
    """The entries of the section `Attributes:`, each made a sentence."""
    _, _, section = docstring.partition("Attributes:\n")
    return {name: _sentence(" ".join(text.split())) for name, text in _ATTRIBUTE.findall(section)}


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] if text[:1].islower() else text
