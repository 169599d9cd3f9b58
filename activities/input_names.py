"""Which blobs of a folder are inputs, and how the name of one may be stored."""

import unicodedata

_SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini"})


def spellings(name: str) -> tuple[str, ...]:
    """The ways one name may be stored: as given, and with its accents composed as most systems write them."""
    composed = unicodedata.normalize("NFC", name)
    return (name,) if composed == name else (name, composed)


def is_hidden(name: str) -> bool:
    """Whether a blob is one of those that systems leave in folders, such as `.DS_Store` or `Thumbs.db`."""
    parts = name.split("/")
    return parts[-1].lower() in _SYSTEM_FILES or any(part.startswith(".") or part == "__MACOSX" for part in parts)
