"""Orchestrators are deterministic: nothing in `orchestrations/` can see the world but through its context."""

import ast
import inspect

import pytest
from source import Module, dotted, functions, rooms

import orchestrations
from dropscore.contracts.names import ActivityName, OrchestratorName

FORBIDDEN_NAMES = {
    "open", "input", "print", "exec", "eval", "__import__", "globals", "vars", "id", "hash", "breakpoint",
}  # fmt: skip
"""Built-ins that reach out, or whose result differs from one process to the next."""

FORBIDDEN_CALLS = (
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.", "random.", "uuid.", "secrets.", "os.",
    "sys.", "pathlib.", "Path", "logging.", "threading.", "asyncio.", "socket.", "subprocess.", "urllib.", "requests.",
    "importlib.",
)  # fmt: skip

MODULES = tuple(module for module in rooms("orchestrations") if module.path.name != "__init__.py")


def calls(module: Module) -> list[ast.Call]:
    return [node for node in ast.walk(module.tree) if isinstance(node, ast.Call)]


def where(module: Module, node: ast.AST) -> str:
    return f"{module.path}:{getattr(node, 'lineno', 0)}"


def test_there_are_orchestrators_to_look_at() -> None:
    assert len(MODULES) > 5


def test_nothing_reaches_out_of_the_orchestration() -> None:
    wrong = [
        f"{where(module, call)} calls {name}"
        for module in MODULES
        for call in calls(module)
        if (name := dotted(call.func)) and (name in FORBIDDEN_NAMES or name.startswith(FORBIDDEN_CALLS))
    ]
    assert wrong == []


def test_nothing_is_yielded_inside_finally() -> None:
    wrong = [
        where(module, node)
        for module in MODULES
        for attempt in ast.walk(module.tree)
        if isinstance(attempt, ast.Try)
        for statement in attempt.finalbody
        for node in ast.walk(statement)
        if isinstance(node, ast.Yield | ast.YieldFrom)
    ]
    assert wrong == []


def test_no_set_is_walked_through() -> None:
    wrong = [
        where(module, node)
        for module in MODULES
        for node in ast.walk(module.tree)
        if isinstance(node, ast.For | ast.comprehension)
        and (
            isinstance(node.iter, ast.Set | ast.SetComp)
            or (isinstance(node.iter, ast.Call) and dotted(node.iter.func) in ("set", "frozenset"))
        )
    ]
    assert wrong == []


def is_kept(module: Module, node: ast.AST) -> bool:
    """Whether a statement makes something of a module that could change."""
    if not isinstance(node, ast.Assign | ast.AnnAssign) or node not in module.tree.body:
        return isinstance(node, ast.Global | ast.Nonlocal)
    if isinstance(node.value, ast.Call):
        return dotted(node.value.func) not in ("datetime", "timedelta")
    return isinstance(node.value, ast.List | ast.Set)


def test_nothing_is_kept_between_calls() -> None:
    wrong = [where(module, node) for module in MODULES for node in ast.walk(module.tree) if is_kept(module, node)]
    assert wrong == []


def test_nothing_awaits() -> None:
    wrong = [
        where(module, node)
        for module in MODULES
        for node in ast.walk(module.tree)
        if isinstance(node, ast.AsyncFunctionDef | ast.Await)
    ]
    assert wrong == []


@pytest.mark.parametrize("name", list(OrchestratorName))
def test_orchestrator_is_a_plain_generator_of_two_arguments(name: OrchestratorName) -> None:
    orchestrator = getattr(orchestrations, name)
    assert inspect.isgeneratorfunction(orchestrator)
    assert list(inspect.signature(orchestrator).parameters) == ["ctx", "payload"]
    assert orchestrator.__name__ == name


@pytest.mark.parametrize("name", list(OrchestratorName))
def test_orchestrator_tells_its_story_in_numbers(name: OrchestratorName) -> None:
    story = inspect.getmodule(getattr(orchestrations, name)).__doc__ or ""
    assert [line[:2] for line in story.splitlines() if line[:1].isdigit()][:3] == ["1.", "2.", "3."]


def test_names_of_activities_come_from_the_contracts() -> None:
    wrong = [
        where(module, node)
        for module in MODULES
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and node.value in {str(name) for name in (*ActivityName, *OrchestratorName)}
    ]
    assert wrong == []


def test_decorators_are_those_of_data_alone() -> None:
    wrong = [
        f"{where(module, function)} {dotted(decorator)}"
        for module in MODULES
        for function in functions(module)
        for decorator in function.decorator_list
        if dotted(decorator) not in ("property", "staticmethod", "classmethod")
    ]
    assert wrong == []
