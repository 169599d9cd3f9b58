"""Resource files before a program, output files after it."""

import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from localcloud.batch.bodies.tasks import OutputFile, ResourceFile, UploadCondition
from localcloud.batch.engine import transfer_program
from localcloud.batch.engine.context import Context
from localcloud.batch.engine.transfer_program import Verdict
from localcloud.batch.state.task import Category, TaskFailure, user_failure
from localcloud.emulation.children import Child, Command, LaunchError
from localcloud.emulation.programs import base_environment

DEFAULT_MODE = "0770"
_FETCH_CODES = {
    Verdict.NOT_FOUND: ("BlobNotFound", Category.USER),
    Verdict.DENIED: ("BlobAccessDenied", Category.USER),
    Verdict.TIMED_OUT: ("BlobDownloadTimedOut", Category.SERVER),
    Verdict.DISK_FULL: ("DiskFull", Category.SERVER),
}
_STORE_CODES = {
    Verdict.NOT_FOUND: ("FileUploadContainerNotFound", Category.USER),
    Verdict.DENIED: ("FileUploadAccessDenied", Category.USER),
}
OnChild = Callable[[Child], None]


class Transfers:
    """Fetches and stores, each by a program of its own."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def fetch(self, files: Iterable[ResourceFile], folder: Path, on_child: OnChild) -> TaskFailure | None:
        """Fetch into `folder/wd`. Returns why it failed, or None; `on_child` hears of the program that does it."""
        plan = []
        for file in files:
            if file.identity_reference or file.auto_storage_container_name:
                return user_failure("BlobAccessDenied", _NO_IDENTITY)
            plan.append(_fetch_line(file))
        if not plan:
            return None
        return await self._run({"fetch": plan}, folder, "filedownload", _FETCH_CODES, "BlobDownloadMiscError", on_child)

    async def store(
        self, files: Iterable[OutputFile], folder: Path, on_child: OnChild, *, succeeded: bool
    ) -> TaskFailure | None:
        """Store from `folder/wd` what is wanted after this end. Returns why it failed, or None."""
        plan = []
        for file in files:
            if not _wanted(file, succeeded=succeeded):
                continue
            container = file.destination.container
            if container is None or container.identity_reference:
                return user_failure("FileUploadAccessDenied", _NO_IDENTITY)
            line = {"container": container.container_url, "pattern": file.file_pattern, "path": container.path or ""}
            plan.append(line)
        if not plan:
            return None
        return await self._run({"store": plan}, folder, "fileupload", _STORE_CODES, "FileUploadMiscError", on_child)

    async def _run(
        self,
        plan: dict[str, Any],
        folder: Path,
        name: str,
        codes: dict[Verdict, tuple[str, Category]],
        otherwise: str,
        on_child: OnChild,
    ) -> TaskFailure | None:
        written, errors = folder / f"{name}.json", folder / f"{name}err.txt"
        written.write_text(json.dumps(plan))
        command = Command(
            argv=(sys.executable, "-I", "-S", transfer_program.__file__, str(written)),
            environment=base_environment(os.environ),
            folder=folder / "wd",
            stdout=folder / f"{name}out.txt",
            stderr=errors,
        )
        try:
            child = await self._context.keeper.run(command)
        except LaunchError as error:
            return TaskFailure(category=Category.SERVER, code=otherwise, message=str(error))
        on_child(child)
        code = await child.wait()
        written.unlink(missing_ok=True)  # its URLs carry signatures
        if code == Verdict.DONE:
            return None
        known = Verdict(code) if code in set(Verdict) else Verdict.FAILED
        failure, category = codes.get(known, (otherwise, Category.SERVER))
        reason = errors.read_text(errors="replace").strip() or f"the transfer ended with {code}"
        return TaskFailure(category=category, code=failure, message=reason)


_NO_IDENTITY = "The emulator has no managed identities and no auto-storage account: give a URL with a SAS."


def _fetch_line(file: ResourceFile) -> dict[str, str]:
    mode = file.file_mode or DEFAULT_MODE
    if file.http_url is not None:
        return {"url": file.http_url, "path": file.file_path or "", "mode": mode}
    return {
        "container": file.storage_container_url or "",
        "prefix": file.blob_prefix or "",
        "path": file.file_path or "",
        "mode": mode,
    }


def _wanted(file: OutputFile, *, succeeded: bool) -> bool:
    condition = file.upload_options.upload_condition
    if condition is UploadCondition.COMPLETION:
        return True
    return succeeded is (condition is UploadCondition.SUCCESS)
