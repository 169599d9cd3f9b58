"""Who publishes the connector. Put yourself here before you have it certified, then make the files again."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """Whom the users of the connector turn to."""

    name: str
    website: str
    privacy: str
    email: str


PUBLISHER: Final = Publisher(
    name="dropscore",
    website="https://dropscore.example",
    privacy="https://dropscore.example/privacy",
    email="connector@dropscore.example",
)
