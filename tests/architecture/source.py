"""The product's source code as trees, for the tests that hold its shape."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("activities", "cpu_worker", "dropscore", "gpu_worker", "localcloud", "orchestrations")


@dataclass(frozen=True, kw_only=True)
class Module:
    """A module: its dotted name, its path below the root, its text and its tree."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """`dropscore.api` for `dropscore.api.app`, `activities` for `activities.admit`, `function_app` for itself."""
        parts = self.name.split(".")
        return ".".join(parts[:2]) if parts[0] == "dropscore" and len(parts) > 1 else parts[0]


@dataclass(frozen=True, kw_only=True)
class Import:
    """An import: what, on which line, and whether it happens when the module is loaded or later, or never."""

    name: str
    line: int
    late: bool
    for_types: bool


@cache
def modules() -> tuple[Module, ...]:
    """Every module of the product."""
    files = [ROOT / "function_app.py", *(path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")))]
    return tuple(_module(path) for path in files)


def rooms(*names: str) -> tuple[Module, ...]:
    """The modules of some rooms."""
    return tuple(module for module in modules() if module.room in names)


def imports(module: Module) -> Iterator[Import]:
    """Every import of a module, with `from a import b` as both `a` and `a.b`."""
    for node, late, for_types in _walk(module.tree, late=False, for_types=False):
        for name in _names(node):
            yield Import(name=name, line=node.lineno, late=late, for_types=for_types)


def functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a module."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def dotted(node: ast.expr) -> str:
    """`a.b.c` of an attribute or name; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return ""


def _module(path: Path) -> Module:
    relative = path.relative_to(ROOT)
    name = ".".join(relative.with_suffix("").parts).removesuffix(".__init__")
    text = path.read_text("utf-8")
    return Module(name=name, path=relative, text=text, tree=ast.parse(text, str(relative)))


def _walk(tree: ast.AST, *, late: bool, for_types: bool) -> Iterator[tuple[ast.stmt, bool, bool]]:
    for node in ast.iter_child_nodes(tree):
        inside = late or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        typed = for_types or (isinstance(node, ast.If) and dotted(node.test).endswith("TYPE_CHECKING"))
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, late, for_types
        yield from _walk(node, late=inside, for_types=typed)


def _names(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
