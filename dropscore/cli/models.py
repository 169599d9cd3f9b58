"""The models: list and look over the API; import and ship into storage itself."""

from pathlib import Path

from rich.table import Table
from rich.text import Text

from dropscore.cli import wording
from dropscore.cli.session import Session
from dropscore.contracts.codec import encode
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.http.models import ModelDocument, ModelVersion
from dropscore.contracts.names import Account
from dropscore.contracts.reading import suggestion
from dropscore.contracts.request import ModelRef

USUAL_ALIAS = "stable"
"""The alias meant by a bare name."""


def list_models(session: Session) -> None:
    """Every model with its versions and aliases."""
    models = session.api().models()
    if session.screen.as_json:
        session.screen.document({"models": [encode(one) for one in models]})
        return
    if not models:
        session.screen.say("There are no models. Bring those that come with dropscore: dropscore models push-shipped")
        return
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    for name in ("model", "versions", "aliases"):
        table.add_column(name)
    for one in models:
        aliases = ", ".join(f"{alias} → {version}" for alias, version in one.aliases.items())
        table.add_row(one.name, ", ".join(version.version for version in one.versions), aliases or "–")
    session.screen.show(table)


def show_model(session: Session, reference: str) -> None:
    """One version of a model: `name`, `name@version` or `name@alias`."""
    model, version = find_version(session.api().models(), reference)
    if session.screen.as_json:
        session.screen.document({"name": model.name, **version.model_dump(mode="json")})
        return
    table = Table.grid(padding=(0, 3))
    table.add_column(style="dim")
    for name, value in _facts(model, version):
        table.add_row(name, value)
    session.screen.show(table)


def find_version(models: tuple[ModelDocument, ...], reference: str) -> tuple[ModelDocument, ModelVersion]:
    """What a reference means; an alias wins over a version of the same name, as at admission. Raises `FailedError`
    (E-MODEL-UNKNOWN) that says what there is.
    """
    name, _, label = reference.partition("@")
    model = next((one for one in models if one.name == name), None)
    if model is None:
        action = suggestion(name, [one.name for one in models])
        raise FailedError.of(Code.MODEL_UNKNOWN, f"there is no model {name!r}", field="model", action=action)
    wanted = model.aliases.get(label or USUAL_ALIAS, label)
    version = next((one for one in model.versions if one.version == wanted), None)
    if version is None:
        labels = [one.version for one in model.versions] + list(model.aliases)
        action = suggestion(label, [f"{name}@{one}" for one in labels])
        raise FailedError.of(Code.MODEL_UNKNOWN, f"there is no {reference!r}", field="model", action=action)
    return model, version


def import_weights(
    session: Session, file: Path, *, name: str, architecture: str, version: str, title: str, licence: str, alias: str
) -> None:
    """Make a package of a weight file and store it under a name."""
    from dropscore.models.importing import ImportRequest, import_model
    from dropscore.models.registry import ModelRegistry

    registry = ModelRegistry(session.blobs(Account.SYSTEM))
    session.screen.say(f"Reading {file} …")
    package = import_model(
        ImportRequest(file=file, name=name, architecture=architecture, version=version, title=title, licence=licence)
    )
    ref = registry.push(package)
    registry.set_alias(ref.name, alias, ref.version)
    _tell(session, (ref,), alias)


def push_shipped_models(session: Session) -> None:
    """Store the packages that come with this code, where they are not there yet."""
    blobs = session.blobs(Account.SYSTEM)
    from dropscore.models.registry import ModelRegistry
    from dropscore.models.shipped import push_shipped

    _tell(session, push_shipped(ModelRegistry(blobs)), None)


def _tell(session: Session, refs: tuple[ModelRef, ...], alias: str | None) -> None:
    if session.screen.as_json:
        session.screen.document({"models": [encode(ref) for ref in refs]})
        return
    for ref in refs:
        called = f" (also {ref.name}@{alias})" if alias else ""
        session.screen.show(Text.assemble(f"{ref.name}@{ref.version}", (f"  {ref.digest}{called}", "dim")))


def _facts(model: ModelDocument, version: ModelVersion) -> list[tuple[str, str]]:
    aliases = [alias for alias, meant in model.aliases.items() if meant == version.version]
    facts = [
        ("model", f"{model.name}@{version.version}"),
        ("title", version.title),
        ("network", version.architecture),
        ("size", wording.size(version.size_bytes)),
        ("licence", version.licence),
        ("digest", version.digest),
    ]
    facts += [("aliases", ", ".join(aliases))] if aliases else []
    return facts + [(name, str(value)) for name, value in version.metrics.items()]
