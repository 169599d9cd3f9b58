"""Function keys, for a host that is told to ask for them."""

import json
import secrets
from pathlib import Path

KEYS_FILE = "keys.json"
"""Its name in the host's folder."""


def function_keys(path: Path) -> dict[str, str]:
    """The keys `master` and `default`, made at random on first use and readable by their owner alone."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(json.dumps({name: secrets.token_urlsafe(32) for name in ("master", "default")}))
    kept: dict[str, str] = json.loads(path.read_text())
    return kept
