"""A planning container reduced to its bare operations: the interpreter, the imports, and what it asks of storage.

Its arguments are four blobs as `container/name`: admission, input, page and index. It prints a line when the index is
written.
"""

import os
import sys

import cpu_worker.main
import cpu_worker.plan  # noqa: F401
import dropscore.workloads.style_transfer.plan  # noqa: F401 - these three are imported for what it costs
from dropscore.cloud.azure_blobs import blob_service
from dropscore.cloud.settings import WorkerSettings
from dropscore.contracts.names import Account, ContainerName


def main() -> None:
    """Read two blobs, write two."""
    settings = WorkerSettings.from_env(os.environ)
    services = {Account.DATA: blob_service(settings.data), Account.SYSTEM: blob_service(settings.system)}
    blobs = []
    for text in sys.argv[1:]:
        container, _, name = text.partition("/")
        blobs.append(services[ContainerName(container).account].get_blob_client(container, name))
    admission, picture, page, index = blobs
    plan = admission.download_blob().readall()
    picture.download_blob().readall()
    page.upload_blob(plan, overwrite=True)
    index.upload_blob(plan)
    print("written", flush=True)
