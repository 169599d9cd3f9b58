"""The device a worker owns: which one, its name and kind, its lanes and its memory."""

import math
import os
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device.

    Attributes:
        torch_device: what torch calls it.
        title: for people, such as `cpu (AMD EPYC, 2 lanes)`.
        kind: the same for all devices that give the same bits: model and torch version, fit for a blob name.
        lanes: batches predicted side by side.
        memory_bytes: memory that this process may use on it.
    """

    torch_device: torch.device
    title: str
    kind: str
    lanes: int
    memory_bytes: int

    @property
    def is_cpu(self) -> bool:
        """Whether the work is done by this machine's cores."""
        return self.torch_device.type == "cpu"


def find_device(wanted: str, lanes: int = 0) -> Device:
    """The device of a setting: `auto` (CUDA where there is one), `cpu`, `cuda` or `cuda:N`; lanes 0: as it suggests.

    Sets torch up for it: one thread for each lane, algorithms that give the same bits each time.
    Raises `FailedError` (E-WORKERS-UNAVAILABLE) when there is no such device, its driver does not fit this torch, or
    this torch has no code for it.
    """
    torch.set_num_threads(1)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available() and not _idle_gpu()):
        return _cpu(lanes or usable_cores())
    return _cuda("cuda" if wanted == "auto" else wanted, lanes or 1)


def _idle_gpu() -> bool:
    """Whether there is a GPU that this torch was built for and cannot use: its driver does not fit. Scoring on the
    processor of a GPU machine instead would only be slow and dear.
    """
    return torch.version.cuda is not None and _driver() is not None


def _driver() -> str | None:
    """The version of NVIDIA's driver; None where there is none."""
    found = re.search(r"Kernel Module\D*([\d.]+)", _first_line("/proc/driver/nvidia/version"))
    return found[1] if found else None


def usable_cores() -> int:
    """Cores this process may use: those it is bound to, less what its control group forbids."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _first_line("/sys/fs/cgroup/cpu.max").split()
    if len(quota) == 2 and quota[0].isdigit():
        bound = min(bound, max(1, math.ceil(int(quota[0]) / int(quota[1]))))
    return bound


def _cpu(lanes: int) -> Device:
    facts = dict(_cpu_facts())
    model = facts.get("model name") or platform.processor() or platform.machine()
    numbers = "-".join(facts[name] for name in ("cpu family", "model", "stepping") if name in facts)
    return Device(
        torch_device=torch.device("cpu"),
        title=f"cpu ({model}, {lanes} lanes)",
        kind=_slug(f"cpu {model} {numbers} {torch.backends.cpu.get_cpu_capability()} torch {torch.__version__}"),
        lanes=lanes,
        memory_bytes=_host_memory(),
    )


def _cuda(name: str, lanes: int) -> Device:
    if not torch.cuda.is_available():
        raise FailedError.of(
            Code.WORKERS_UNAVAILABLE,
            f"there is no device {name}: torch {torch.__version__}, built for CUDA {torch.version.cuda}, sees no GPU; "
            f"the driver here is {_driver() or 'absent'}",
        )
    device = torch.device(name, torch.cuda.current_device()) if name == "cuda" else torch.device(name)
    if (device.index or 0) >= torch.cuda.device_count():
        raise FailedError.of(Code.WORKERS_UNAVAILABLE, f"there is no {name}: {torch.cuda.device_count()} GPUs are here")
    properties = torch.cuda.get_device_properties(device)
    if not runs_on((properties.major, properties.minor), torch.cuda.get_arch_list()):
        built = ", ".join(torch.cuda.get_arch_list())
        raise FailedError.of(
            Code.WORKERS_UNAVAILABLE,
            f"{properties.name} has compute capability {properties.major}.{properties.minor}, but torch "
            f"{torch.__version__} has code for {built} only",
        )
    return Device(
        torch_device=device,
        title=f"{device} ({properties.name})",
        kind=_slug(f"cuda {properties.name} torch {torch.__version__}"),
        lanes=lanes,
        memory_bytes=torch.cuda.mem_get_info(device)[0],
    )


def runs_on(capability: tuple[int, int], built_for: list[str]) -> bool:
    """Whether code built for these architectures (`sm_80`, `compute_90`) runs on a GPU of this capability.

    Binary code runs on its own major version from its own minor one on; intermediate code on everything newer.
    """
    for name in built_for:
        match = re.fullmatch(r"(sm|compute)_(\d+)(\d)[af]?", name)
        if match is None:
            continue
        built = (int(match[2]), int(match[3]))
        if built <= capability and (match[1] == "compute" or built[0] == capability[0]):
            return True
    return False


def _host_memory() -> int:
    """Bytes this machine or this process's control group still has to give."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit, used = _first_line("/sys/fs/cgroup/memory.max"), _first_line("/sys/fs/cgroup/memory.current")
    if limit.isdigit() and used.isdigit():
        free = min(free, int(limit) - int(used))
    return max(0, free)


def _cpu_facts() -> Iterator[tuple[str, str]]:
    """Names and values of the first processor, as Linux lists them."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n", 1)[0].splitlines()
    except OSError:
        return
    for line in lines:
        name, _, value = line.partition(":")
        yield name.strip(), value.strip()


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")
