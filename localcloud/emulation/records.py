"""Typed collections over documents: read from memory, written through to disk at each change."""

from collections.abc import Callable, Iterator

from pydantic import TypeAdapter

from localcloud.emulation.documents import Documents


class Records[T]:
    """Immutable values of one type by key. Keys are case-insensitive, as Azure's names are.

    `key` gives a value's key; iteration is in the order of keys' first writing, and after a restart by key.
    """

    def __init__(self, documents: Documents, kind: str, shape: type[T], key: Callable[[T], str]) -> None:
        self._documents = documents
        self._kind = kind
        self._adapter = TypeAdapter(shape)
        self._key = key
        self._values: dict[str, T] = {}
        for body in documents.all(kind):
            value = self._adapter.validate_json(body)
            self._values[key(value).lower()] = value

    def get(self, key: str) -> T | None:
        """The value of this key, or None."""
        return self._values.get(key.lower())

    def put(self, value: T) -> T:
        """Write a value and return it."""
        key = self._key(value).lower()
        self._documents.put(self._kind, key, self._adapter.dump_json(value).decode())
        self._values[key] = value
        return value

    def remove(self, value: T) -> None:
        """Remove a value, if it is there."""
        key = self._key(value).lower()
        if self._values.pop(key, None) is not None:
            self._documents.remove(self._kind, key)

    def __iter__(self) -> Iterator[T]:
        return iter(tuple(self._values.values()))

    def __len__(self) -> int:
        return len(self._values)
