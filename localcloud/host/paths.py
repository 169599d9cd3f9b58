"""Blob path patterns of bindings, such as `triggers/{name}` or `in/{folder}/{id}.json`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from localcloud.host.config import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobPattern:
    """A container and a pattern of blob names in it, as written in `path`."""

    path: str
    container: str
    names: re.Pattern[str]
    prefix: str
    """What every matching name begins with."""

    @classmethod
    def parse(cls, path: str) -> "BlobPattern":
        """Read `container` or `container/pattern`. Raises `ConfigError`."""
        container, _, pattern = path.strip("/").partition("/")
        if not container or "{" in container:
            raise ConfigError(f"The blob path {path!r} does not begin with the name of a container.")
        prefix = re.split(r"[{]", pattern)[0]
        return cls(
            path=path, container=container, names=re.compile(_expression(pattern or "{blobname}", path)), prefix=prefix
        )

    def match(self, name: str) -> Mapping[str, str] | None:
        """The values of the tokens if a blob's name fits, else None."""
        found = self.names.fullmatch(name)
        return found.groupdict() if found else None


def _expression(pattern: str, path: str) -> str:
    """A token takes as little as it can, and the last one the rest, slashes included, as in the real host."""
    expression = ""
    for index, part in enumerate(re.split(r"\{([^{}]*)\}", pattern)):
        if index % 2 == 0:
            if "{" in part or "}" in part:
                raise ConfigError(f"The braces of the blob path {path!r} do not fit together.")
            expression += re.escape(part)
        elif not part.isidentifier():
            raise ConfigError(f"The blob path {path!r} has a token that is no name: {part!r}.")
        else:
            expression += f"(?P<{part}>.+?)" if f"(?P<{part}>" not in expression else f"(?P={part})"
    return expression
