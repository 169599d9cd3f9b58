"""The environment is read in one place, and what is documented is what is read."""

import ast
import base64
import json
from pathlib import Path

import pytest
from source import ROOT, dotted, modules

from dropscore.cloud.settings import AppSettings

HANDED_ON = {
    "function_app.py": "hands the environment to AppSettings",
    "cpu_worker/main.py": "hands it to WorkerSettings",
    "gpu_worker/__main__.py": "hands it to WorkerSettings",
    "gpu_worker/main.py": "sets the number of threads that libraries start with, before they are imported",
    "dropscore/cli/session.py": "hands it to ClientSettings, and finds the folder of the local cloud",
}
"""The entry points, which give the environment of their process to the settings."""


def reads(tree: ast.AST) -> int:
    wanted = ("os.environ", "os.getenv", "os.environb", "os.putenv")
    return sum(isinstance(node, ast.Attribute) and dotted(node) in wanted for node in ast.walk(tree))


def test_only_entry_points_touch_the_environment() -> None:
    touching = {module.path.as_posix() for module in modules() if module.room != "localcloud" and reads(module.tree)}
    assert touching <= set(HANDED_ON), sorted(touching - set(HANDED_ON))


@pytest.fixture
def example() -> dict[str, str]:
    values: dict[str, str] = json.loads(Path(ROOT / "local.settings.example.json").read_text("utf-8"))["Values"]
    key = base64.b64encode(b"a key").decode()
    return {name: value.replace("<key>", key) for name, value in values.items()}


def test_example_settings_are_whole(example: dict[str, str]) -> None:
    settings = AppSettings.from_env(example)
    assert settings.data.account == "dropscoredata"
    assert settings.system.account == "dropscoresystem"
    assert settings.batch.pool_id == example["BatchPoolId"]


def test_example_settings_hold_nothing_that_nobody_reads(example: dict[str, str]) -> None:
    text = "".join(module.text for module in modules() if module.path.as_posix().startswith("dropscore/cloud/"))
    of_the_host = {"FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage", "AzureWebJobsDisableHomepage"}
    assert [name for name in example if name not in of_the_host and f'"{name}"' not in text] == []


def test_requirements_of_the_function_app_are_pinned_and_light() -> None:
    lines = [line.partition("#")[0].strip() for line in Path(ROOT / "requirements.txt").read_text("utf-8").splitlines()]
    wanted = [line for line in lines if line]
    assert [line for line in wanted if "==" not in line] == []
    assert {line.partition("==")[0] for line in wanted} & {"torch", "numpy", "av", "pillow", "safetensors"} == set()


@pytest.mark.fault(71)
def test_pinned_requirements_are_those_installed() -> None:
    from importlib.metadata import version

    lines = [line.partition("#")[0].strip() for line in Path(ROOT / "requirements.txt").read_text("utf-8").splitlines()]
    pins = dict(line.split("==") for line in lines if line)
    assert {name: version(name) for name in pins} == pins
