"""Model packages as the API shows them."""

from dropscore.contracts.base import Contract, Count, Json, Sha256


class ModelVersion(Contract):
    """One version of a model; it never changes."""

    version: str
    title: str
    architecture: str
    licence: str
    digest: Sha256
    size_bytes: Count
    metrics: dict[str, Json] = {}
    training: dict[str, Json] = {}


class ModelDocument(Contract):
    """A model: its versions, and the aliases that mean one of them."""

    name: str
    versions: tuple[ModelVersion, ...]
    aliases: dict[str, str]


class ModelList(Contract):
    """Every model."""

    models: tuple[ModelDocument, ...]
