"""The ready workflows: their Bicep is typed right, and they call what the connector has."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from connector_files import OPERATIONS, WORKFLOWS
from pycep import BicepParser

NAMES = ("blob-to-result", "run-finished")
BICEP = BicepParser().parse(file_path=WORKFLOWS / "main.bicep")
EACH = pytest.mark.parametrize("name", NAMES)


def definition(name: str) -> Any:
    return json.loads((WORKFLOWS / f"{name}.json").read_text())["definition"]


def texts(value: Any) -> Iterator[str]:
    """Every text of a definition."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from texts(one)


def deployed(name: str) -> Any:
    """The workflow of the Bicep file that has this definition."""
    text = (WORKFLOWS / "main.bicep").read_text()
    (block,) = (part for part in text.split("\nresource ") if f"loadJsonContent('{name}.json')" in part)
    return block


def check(specifications: Path, path: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(specifications / "check_bicep.py"), str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.shared
def test_bicep_fits_the_types_of_azure(specifications: Path) -> None:
    done = check(specifications, WORKFLOWS)
    assert done.returncode == 0, done.stdout
    assert done.stdout.strip().splitlines()[-1] == "1 files, 0 problems"
    assert "unchecked" not in done.stdout


@pytest.mark.shared
def test_checker_sees_a_misspelt_property(specifications: Path, tmp_path: Path) -> None:
    text = (WORKFLOWS / "main.bicep").read_text()
    (tmp_path / "main.bicep").write_text(text.replace("apiType: 'Rest'", "apiTypo: 'Rest'"))
    done = check(specifications, tmp_path)
    assert done.returncode == 1
    assert "apiTypo" in done.stdout


def test_secrets_are_secure_parameters() -> None:
    secure = {name for name, told in BICEP["parameters"].items() if told.get("decorators")}
    text = (WORKFLOWS / "main.bicep").read_text()
    for name in ("hostKey", "postTo"):
        assert name in secure
        assert re.search(rf"@secure\(\)\nparam {name} string\n", text)
    assert "listKeys" not in text


@EACH
def test_every_parameter_of_a_workflow_is_given_or_has_a_default(name: str) -> None:
    told = definition(name)["parameters"]
    for parameter, one in told.items():
        given = re.search(rf"^      '?{re.escape(parameter)}'?: {{$", deployed(name), re.MULTILINE)
        assert given or "defaultValue" in one, parameter
    used = set(re.findall(r"parameters\('([^']+)'\)", "\n".join(texts(definition(name)))))
    assert used == set(told)


@EACH
def test_every_connection_that_a_workflow_uses_is_deployed_with_it(name: str) -> None:
    used = set(re.findall(r"\['(\w+)'\]\['connectionId'\]", "\n".join(texts(definition(name)))))
    given = set(re.findall(r"^          (\w+): {$", deployed(name), re.MULTILINE))
    assert used == given


@EACH
def test_expressions_are_whole(name: str) -> None:
    for text in texts(definition(name)):
        assert text.count("@{") == len(re.findall(r"@\{[^{}]+\}", text)), text
        assert text.count("(") == text.count(")"), text


@EACH
def test_actions_are_read_by_the_name_they_have(name: str) -> None:
    text = json.dumps(definition(name))
    for action in re.findall(r"body\('(\w+)'\)", text):
        assert f'"{action}": {{' in text


@EACH
def test_steps_that_score_call_operations_that_people_choose_from(name: str) -> None:
    own = [text for text in texts(definition(name)) if text.startswith("/api/")]
    assert own
    for path in own:
        fitting = [one for one in OPERATIONS if re.fullmatch(re.sub(r"\{\w+\}", "@{.+}", one.path), path)]
        assert any(not one.internal for one in fitting), path


def test_workflow_that_acts_on_a_runs_end_starts_none() -> None:
    """One that replayed what has gaps would be called again by the end of its own replay, for ever."""
    methods = [text for text in texts(definition("run-finished")) if text in ("post", "put", "POST", "PUT")]
    posts = sum(text in ("post", "put") for text in methods)
    assert posts == 1, "the mail alone; reading is get"
