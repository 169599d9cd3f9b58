"""The checker of accessibility: axe-core, pinned in `axe_npm` and fetched with the pinned Node when first needed."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from chromium import Tab

from localcloud.node import NodeError, find_node, tools_folder

AXE_NPM = Path(__file__).parent / "axe_npm"
LIMIT_S = 100
GRAVE = ("serious", "critical")


def axe_source() -> str | None:
    """The checker's script; None where it is not there and cannot be fetched."""
    target = tools_folder() / "axe"
    script = target / "node_modules" / "axe-core" / "axe.min.js"
    wanted = (AXE_NPM / "package-lock.json").read_bytes()
    lock = target / "package-lock.json"
    if not (script.exists() and lock.exists() and lock.read_bytes() == wanted) and not _fetch(target):
        return None
    return script.read_text("utf-8")


def findings(tab: Tab, source: str) -> list[str]:
    """What is gravely wrong with the page that is open: rule, impact and elements."""
    tab.ask(source)
    told: list[dict[str, Any]] = json.loads(
        tab.ask("axe.run(document, {resultTypes: ['violations']}).then(result => JSON.stringify(result.violations))")
    )
    return [
        f"{one['id']} ({one['impact']}): {[node['html'][:160] for node in one['nodes'][:3]]}"
        for one in told
        if one["impact"] in GRAVE
    ]


def _fetch(target: Path) -> bool:
    fresh = target.with_name(f".axe-{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(AXE_NPM, fresh)
    try:
        node = find_node()
        command = [*node.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        path = f"{node.node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        done = subprocess.run(
            command, cwd=fresh, env={**os.environ, "PATH": path}, capture_output=True, timeout=LIMIT_S, check=False
        )
        if done.returncode != 0:
            return False
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    except (NodeError, OSError, subprocess.TimeoutExpired):
        return False
    else:
        return True
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
