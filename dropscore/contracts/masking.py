"""Secrets in texts of others: what looks like one is masked before a text is logged, stored or shown."""

import re
from typing import Final

MASK: Final = "***"

_NAMED: Final = re.compile(
    r"(?i)(\bsig=|[?&](?:code|key|token)=|\b(?:account|shared ?access|function|functions)-?key\s*[=:]\s*"
    r"|\bsharedaccesssignature=|\bauthorization:\s*(?:bearer|basic|sharedkey)\s+|\bbearer\s+(?=eyJ))"
    r"[^&;\s\"'\\]+"
)
"""The signature of a shared link, keys in addresses, connection strings and headers, tokens."""
_PASSWORD: Final = re.compile(r"(://[^/\s:@\"']*:)[^/\s@\"']+(?=@)")
"""Of an address."""


def masked(text: str) -> str:
    """The same text with `***` in the place of what looks like a secret."""
    return _PASSWORD.sub(rf"\1{MASK}", _NAMED.sub(rf"\1{MASK}", text))
