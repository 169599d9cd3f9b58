"""The arrows of the house go one way (DESIGN section 2)."""

import pytest
from source import Import, Module, imports, modules

LIBRARY = "dropscore"
ARROWS = {
    "dropscore": set(),
    "dropscore.contracts": set(),
    "dropscore.quantities": set(),
    "dropscore.workloads": {"dropscore.contracts"},
    "dropscore.models": {"dropscore.contracts"},
    "dropscore.cloud": {"dropscore.contracts"},
    "dropscore.api": {"dropscore.contracts", "dropscore.cloud", "dropscore.quantities"},
    "dropscore.cli": {"dropscore.contracts", "dropscore.cloud", "dropscore.models", "dropscore.workloads"},
    "orchestrations": {"dropscore.contracts"},
    "activities": {"dropscore.contracts", "dropscore.cloud", "dropscore.workloads"},
    "gpu_worker": {"dropscore.contracts", "dropscore.cloud", "dropscore.workloads", "dropscore.models"},
    "cpu_worker": {
        "dropscore.contracts",
        "dropscore.cloud",
        "dropscore.workloads",
        "dropscore.models",
        "dropscore.quantities",
    },
    "function_app": {"dropscore.contracts", "dropscore.cloud", "dropscore.api", "orchestrations", "activities"},
}
"""What each room may know besides itself. `localcloud` stands outside: it may know all, and nobody knows it."""

OURS = {*ARROWS, "localcloud"}
SCIENCE = ("model.py", "score.py")
"""The files of a workload that may build networks."""
WORKLOAD_FACES = ("dropscore.workloads.base", "dropscore.workloads.registry")
"""What activities may know of workloads besides their options."""
PLAIN = ("collections", "dataclasses", "datetime", "enum", "itertools", "typing")
"""What orchestrations may use of the standard library."""
HEAVY = ("torch", "torchvision", "numpy", "av", "PIL", "safetensors", "skimage", "scipy")


def room_of(name: str) -> str | None:
    """Which of our rooms an imported name belongs to."""
    fitting = [room for room in OURS if name == room or name.startswith(f"{room}.")]
    return max(fitting, key=len, default=None)


def of_product() -> list[Module]:
    return [module for module in modules() if module.room != "localcloud"]


def within(name: str, packages: tuple[str, ...]) -> bool:
    return name.partition(".")[0] in packages


def told(module: Module, found: Import) -> str:
    return f"{module.path}:{found.line} imports {found.name}"


def test_rooms_know_only_what_their_arrows_allow() -> None:
    wrong = [
        told(module, found)
        for module in of_product()
        for found in imports(module)
        if (room := room_of(found.name)) is not None
        and room not in {module.room, LIBRARY, *ARROWS[module.room]}
        and not (room == "dropscore.models" and module.room == "dropscore.workloads" and module.path.name in SCIENCE)
    ]
    assert wrong == []


def test_every_room_has_its_arrows() -> None:
    assert {module.room for module in of_product()} <= set(ARROWS)


def test_nobody_knows_the_local_cloud() -> None:
    assert [told(m, found) for m in of_product() for found in imports(m) if within(found.name, ("localcloud",))] == []


def test_activities_know_workloads_by_name_and_options_alone() -> None:
    wrong = [
        told(module, found)
        for module in modules()
        if module.room == "activities"
        for found in imports(module)
        if found.name.startswith("dropscore.workloads.")
        and not found.name.startswith(WORKLOAD_FACES)
        and ".options" not in found.name
    ]
    assert wrong == []


def test_orchestrations_know_contracts_and_durabletask_alone() -> None:
    wrong = [
        told(module, found)
        for module in modules()
        if module.room == "orchestrations"
        for found in imports(module)
        if not within(
            found.name,
            ("dropscore", "orchestrations", "durabletask", *PLAIN),
        )
    ]
    assert wrong == []


def test_contracts_know_pydantic_and_the_standard_library_alone() -> None:
    import sys

    allowed = {*sys.stdlib_module_names, "pydantic", "dropscore"}
    wrong = [
        told(module, found)
        for module in modules()
        if module.room == "dropscore.contracts"
        for found in imports(module)
        if found.name.partition(".")[0] not in allowed
    ]
    assert wrong == []


def torch_is_at_home(module: Module) -> bool:
    in_science = module.room == "dropscore.workloads" and module.path.name in SCIENCE
    return module.room in ("gpu_worker", "dropscore.models") or in_science


def test_torch_is_imported_only_where_networks_live() -> None:
    wrong = [
        told(module, found)
        for module in modules()
        if not torch_is_at_home(module)
        for found in imports(module)
        if within(found.name, ("torch", "torchvision")) and not found.for_types
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "room", ["dropscore.contracts", "dropscore.cloud", "dropscore.api", "orchestrations", "activities", "function_app"]
)
def test_rooms_of_the_function_app_import_no_heavy_library(room: str) -> None:
    wrong = [
        told(module, found)
        for module in modules()
        if module.room == room
        for found in imports(module)
        if within(found.name, HEAVY)
    ]
    assert wrong == []


def test_azure_is_known_to_its_adapters_and_the_function_app_alone() -> None:
    wrong = [
        told(module, found)
        for module in of_product()
        if module.room not in ("dropscore.cloud", "function_app")
        for found in imports(module)
        if within(found.name, ("azure", "msrest", "msal"))
    ]
    assert wrong == []
