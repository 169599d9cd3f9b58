"""Folders of groups: what containers write, their logs, their volumes."""

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

from localcloud.containers.bodies import Container
from localcloud.containers.state import Group


class Folders:
    """One folder for each group, named by a digest of its key."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def group(self, group: Group) -> Path:
        """A group's folder."""
        return self._root / _digest(group.key.lower())

    def log(self, group: Group, container: str) -> Path:
        """The file that holds a container's log."""
        return self.group(group) / f"{container}.log"

    def make(self, group: Group, container: Container) -> Path:
        """The folder that a container works in, with an empty log beside it, and its volumes inside it.

        A volume appears at its mount path taken as relative: nothing can be mounted at `/` on this machine.
        """
        folder = self.group(group) / container.name
        folder.mkdir(parents=True, exist_ok=True)
        for mount in container.properties.volume_mounts or ():
            volume = self.group(group) / "volumes" / _digest(mount.name)
            volume.mkdir(parents=True, exist_ok=True)
            link = folder / mount.mount_path.strip("/")
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.exists():
                link.symlink_to(volume)
        self.log(group, container.name).unlink(missing_ok=True)
        return folder

    def drop(self, group: Group) -> None:
        """Remove a group's folder."""
        shutil.rmtree(self.group(group), ignore_errors=True)

    def keep_only(self, groups: Iterable[Group]) -> None:
        """Remove what belongs to no group, such as a killed emulator may have left."""
        known = {self.group(group) for group in groups}
        for folder in self._root.glob("*"):
            if folder not in known:
                shutil.rmtree(folder, ignore_errors=True)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
