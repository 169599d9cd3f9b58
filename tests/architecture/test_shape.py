"""Sizes, names and habits of DESIGN section 9, over the whole product."""

import ast

from source import ROOT, Module, dotted, functions, modules

MODULE_LINES = 300
FUNCTION_LINES = 40
FORBIDDEN_WORDS = ("util", "utils", "helper", "helpers", "manager", "misc")
BASES = (
    "Protocol", "StrEnum", "IntEnum", "Enum", "Exception", "Error", "NamedTuple", "Contract", "Stored",
    "WorkloadOptions", "BaseModel", "Sequence",
)  # fmt: skip
"""What a class may inherit from: exceptions, protocols, enums, tuples and contracts."""


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its decorators, signature and docstring."""
    body = function.body
    if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant) and len(body) > 1:
        body = body[1:]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1


def test_modules_are_short() -> None:
    long = {str(module.path): lines for module in modules() if (lines := module.text.count("\n")) > MODULE_LINES}
    assert long == {}


def test_functions_are_short() -> None:
    long = {
        f"{module.path}:{function.lineno} {function.name}": lines
        for module in modules()
        for function in functions(module)
        if (lines := code_lines(function)) > FUNCTION_LINES
    }
    assert long == {}


def test_functions_are_mostly_very_short() -> None:
    lines = sorted(code_lines(function) for module in modules() for function in functions(module))
    assert lines[len(lines) // 2] <= 10


def test_no_module_is_called_after_nothing() -> None:
    wrong = [str(module.path) for module in modules() if set(module.path.stem.split("_")) & set(FORBIDDEN_WORDS)]
    assert wrong == []


def inherits(module: Module) -> list[str]:
    return [
        f"{module.path}:{node.lineno} {node.name}({dotted(base)})"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
        for base in node.bases
        if not dotted(base if not isinstance(base, ast.Subscript) else base.value).endswith(BASES)
    ]


def test_nothing_inherits_but_exceptions_protocols_and_contracts() -> None:
    wrong = [
        line
        for module in modules()
        if module.room != "localcloud"
        for line in inherits(module)
        if not line.endswith(VENDOR_BASES)
    ]
    assert wrong == []


VENDOR_BASES = (
    "(logging.Formatter)", "(logging.Handler)", "(nn.Module)", "(io.RawIOBase)", "(RequestsTransport)",
    "(ARMChallengeAuthenticationPolicy)",
)  # fmt: skip
"""Classes of Python and of vendors that are extended by inheriting, and in no other way."""


def test_every_module_says_what_it_is() -> None:
    wrong = [str(module.path) for module in modules() if module.text.strip() and not ast.get_docstring(module.tree)]
    assert wrong == []


def test_nothing_asks_whether_it_runs_locally() -> None:
    wrong = [
        f"{module.path}:{node.lineno}"
        for module in modules()
        if module.room != "localcloud"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.If) and "is_local" in ast.unparse(node.test)
    ]
    assert wrong == []


def test_no_module_keeps_unfinished_notes() -> None:
    marks = ("TO" + "DO", "FIX" + "ME", "XX" + "X")
    wrong = [str(module.path) for module in modules() if any(mark in module.text for mark in marks)]
    assert wrong == []


def test_no_absolute_path_is_written_down() -> None:
    wrong = [str(module.path) for module in modules() if str(ROOT) in module.text]
    assert wrong == []
