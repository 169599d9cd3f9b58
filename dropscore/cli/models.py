"""The model packages in storage: list, look, import, ship."""

from pathlib import Path

from rich.table import Table
from rich.text import Text

from dropscore.cli import wording
from dropscore.cli.session import Session
from dropscore.contracts.base import Json
from dropscore.contracts.codec import encode
from dropscore.contracts.package import ModelPackage
from dropscore.contracts.request import ModelRef


def list_models(session: Session) -> None:
    """Every model with its versions and aliases."""
    from dropscore.models.registry import ModelRegistry

    listings = ModelRegistry(session.blobs()).listings()
    if session.screen.as_json:
        told: list[Json] = [
            {"name": one.name, "versions": list(one.versions), "aliases": dict(one.aliases)} for one in listings
        ]
        session.screen.document({"models": told})
        return
    if not listings:
        session.screen.say("There are no models. Bring those that come with dropscore: dropscore models push-shipped")
        return
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    for name in ("model", "versions", "aliases"):
        table.add_column(name)
    for one in listings:
        aliases = ", ".join(f"{alias} → {version}" for alias, version in one.aliases.items())
        table.add_row(one.name, ", ".join(one.versions), aliases or "–")
    session.screen.show(table)


def show_model(session: Session, reference: str) -> None:
    """One version of a model: `name`, `name@version` or `name@alias`."""
    from dropscore.models.registry import ModelRegistry

    registry = ModelRegistry(session.blobs())
    ref = registry.resolve(reference)
    _, package = registry.describe(ref.name, ref.version)
    if session.screen.as_json:
        session.screen.document({"digest": ref.digest, "package": encode(package)})
        return
    table = Table.grid(padding=(0, 3))
    table.add_column(style="dim")
    for name, value in _facts(ref, package):
        table.add_row(name, value)
    session.screen.show(table)


def import_weights(
    session: Session, file: Path, *, name: str, architecture: str, version: str, title: str, licence: str, alias: str
) -> None:
    """Make a package of a weight file and store it under a name."""
    from dropscore.models.importing import ImportRequest, import_model
    from dropscore.models.registry import ModelRegistry

    session.screen.say(f"Reading {file} …")
    package = import_model(
        ImportRequest(file=file, name=name, architecture=architecture, version=version, title=title, licence=licence)
    )
    registry = ModelRegistry(session.blobs())
    ref = registry.push(package)
    registry.set_alias(ref.name, alias, ref.version)
    _tell(session, (ref,), alias)


def push_shipped_models(session: Session) -> None:
    """Store the packages that come with this code, where they are not there yet."""
    from dropscore.models.registry import ModelRegistry
    from dropscore.models.shipped import push_shipped

    _tell(session, push_shipped(ModelRegistry(session.blobs())), None)


def _tell(session: Session, refs: tuple[ModelRef, ...], alias: str | None) -> None:
    if session.screen.as_json:
        session.screen.document({"models": [encode(ref) for ref in refs]})
        return
    for ref in refs:
        called = f" (also {ref.name}@{alias})" if alias else ""
        session.screen.show(Text.assemble(f"{ref.name}@{ref.version}", (f"  {ref.digest}{called}", "dim")))


def _facts(ref: ModelRef, package: ModelPackage) -> list[tuple[str, str]]:
    facts = [
        ("model", f"{ref.name}@{ref.version}"),
        ("title", package.title),
        ("workload", package.workload),
        ("network", package.architecture),
        ("size", wording.size(sum(file.size_bytes for file in package.files))),
        ("licence", package.licence),
        ("digest", ref.digest),
    ]
    facts += [("description", package.description)] if package.description else []
    facts += [("author", package.author)] if package.author else []
    facts += [("source", package.source)] if package.source else []
    facts += [(name, str(value)) for name, value in package.metrics.items()]
    return facts
