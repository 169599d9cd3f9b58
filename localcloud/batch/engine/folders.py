"""Folders of nodes and tasks, laid out as on a Batch node."""

import shutil
from pathlib import Path

from localcloud.batch.state.node import Node


class Folders:
    """Everything below one folder, by pool and node. The ids in paths are checked names, without dots or slashes."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def node(self, pool_id: str, node_id: str) -> Path:
        """A node's root: `AZ_BATCH_NODE_ROOT_DIR`."""
        return self._root / pool_id / node_id

    def task(self, pool_id: str, node_id: str, job_id: str, task_id: str) -> Path:
        """A task's root: `stdout.txt`, `stderr.txt`, and `wd`, where it works."""
        return self.node(pool_id, node_id) / "workitems" / job_id / "job-1" / task_id

    def make_node(self, node: Node) -> None:
        """Make an empty node."""
        self.drop_node(node)
        for name in ("shared", "startup/wd", "fsmounts", "workitems"):
            (self.node(node.pool_id, node.id) / name).mkdir(parents=True)

    def drop_node(self, node: Node) -> None:
        """Remove a node with everything on it."""
        shutil.rmtree(self.node(node.pool_id, node.id), ignore_errors=True)

    def make_task(self, folder: Path, *, anew: bool) -> None:
        """Make a task's folder; `anew` removes what an earlier run left there."""
        if anew:
            shutil.rmtree(folder, ignore_errors=True)
        (folder / "wd").mkdir(parents=True, exist_ok=True)

    def drop_task(self, folder: Path) -> None:
        """Remove a task's folder."""
        shutil.rmtree(folder, ignore_errors=True)

    def keep_only(self, nodes: list[Node]) -> None:
        """Remove what belongs to no node, such as a killed emulator may have left."""
        known = {self.node(node.pool_id, node.id) for node in nodes}
        for folder in self._root.glob("*/*"):
            if folder not in known:
                shutil.rmtree(folder, ignore_errors=True)
