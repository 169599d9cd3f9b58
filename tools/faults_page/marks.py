"""Which tests show which fault, read off the tests' source: `@pytest.mark.fault(7)`, or `pytestmark` of a module."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class Shown:
    """A test that shows a fault: its file below `tests/`, and its name in words."""

    file: str
    words: str


def shown_by(tests: Path) -> Mapping[int, list[Shown]]:
    """The tests below a folder by the number of the fault, in order."""
    found = defaultdict[int, set[Shown]](set)
    for path in sorted(tests.rglob("test_*.py")):
        for number, name in _marked(ast.parse(path.read_bytes())):
            words = name.removeprefix("test_").replace("_", " ")
            found[number].add(Shown(path.relative_to(tests).as_posix(), words))
    return {number: sorted(tests_) for number, tests_ in sorted(found.items())}


def _marked(module: ast.Module) -> Iterator[tuple[int, str]]:
    everywhere = [number for node in module.body if _is_pytestmark(node) for number in _numbers(node)]
    for node in ast.walk(module):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_"):
            own = [number for decorator in node.decorator_list for number in _numbers(decorator)]
            yield from ((number, node.name) for number in (*everywhere, *own))


def _is_pytestmark(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"


def _numbers(node: ast.AST) -> Iterator[int]:
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.fault":
            yield from (ast.literal_eval(argument) for argument in call.args)
