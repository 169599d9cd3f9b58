"""Spoils valid texts: bit by bit, piece by piece, and value by value. Everything is drawn from one `Random`."""

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

TOKENS = (
    b"NaN", b"-Infinity", b"1e999", b"1" * 400, b"9" * 5000, b"-0.0", b"1E-400", b"null", b"true", b'""', b"{}", b"[]",
    b"[" * 70, b'{"a":' * 70, b"]" * 70, b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\u0000"', b"\\", b'"', b",", b":",
    b"\x00", b"\xef\xbb\xbf", b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", "\u202e".encode(),
    "\u2028".encode(), b"/*", b"//", b"'", b"../", b"..\\", b"C:", b"%00", b"%2e%2e/", b"file:///", b"http://127.0.0.1:1/",
    b"\r\n", b"\t", b"schema_version", b"run_id", b"__proto__", b"$ref", b"0x10", b"1_000", b".5", b"5.", b"+1", b"01",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**64, -(2**63), 10**300, 10**400, 0.5, -0.0, 1e308, 5e-324, "", "a",
    "../x", "/x", "a\x00b", "\ud800", "\u202egpj.exe", "x" * 3000, "é", [], {}, [[]], [None], {"": None},
    {"a": {"b": []}}, "style_transfer", "feed_forward", "E-INTERNAL", "urgent",
)  # fmt: skip


def spoiled(seeds: Sequence[bytes], random: Random) -> bytes:
    """One of the seeds after a few changes."""
    text = random.choice(seeds)
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 5))):
        text = random.choice(CHANGES)(text, seeds, random)
    return text[:200_000]


def flip(text: bytes, _seeds: Sequence[bytes], random: Random) -> bytes:
    """Another bit."""
    if not text:
        return b"\x00"
    at = random.randrange(len(text))
    return text[:at] + bytes([text[at] ^ (1 << random.randrange(8))]) + text[at + 1 :]


def overwrite(text: bytes, _seeds: Sequence[bytes], random: Random) -> bytes:
    """Random bytes over some of it."""
    at, size = _range(text, random)
    return text[:at] + random.randbytes(size) + text[at + size :]


def cut(text: bytes, _seeds: Sequence[bytes], random: Random) -> bytes:
    """Without a piece."""
    at, size = _range(text, random)
    return text[:at] + text[at + size :]


def end(text: bytes, _seeds: Sequence[bytes], random: Random) -> bytes:
    """Only its beginning."""
    return text[: random.randrange(len(text) + 1)]


def repeat(text: bytes, _seeds: Sequence[bytes], random: Random) -> bytes:
    """A piece of it once more."""
    at, size = _range(text, random)
    return text[:at] + text[at : at + size] * random.choice((2, 2, 3, 40)) + text[at + size :]


def insert(text: bytes, _seeds: Sequence[bytes], random: Random) -> bytes:
    """Something that parsers stumble over."""
    at = random.randrange(len(text) + 1)
    return text[:at] + random.choice(TOKENS) + text[at:]


def splice(text: bytes, seeds: Sequence[bytes], random: Random) -> bytes:
    """The beginning of one, the end of another."""
    other = random.choice(seeds)
    return text[: random.randrange(len(text) + 1)] + other[random.randrange(len(other) + 1) :]


def recode(text: bytes, _seeds: Sequence[bytes], random: Random) -> bytes:
    """In another encoding."""
    encoding = random.choice(("utf-8-sig", "utf-16", "utf-16-le", "utf-32", "utf-7", "cp1252"))
    return text.decode("utf-8", "replace").encode(encoding, "replace")


def revalue(text: bytes, _seeds: Sequence[bytes], random: Random) -> bytes:
    """Another value somewhere, a member too many or too few."""
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return insert(text, (), random)
    return json.dumps(_changed(tree, random), ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")


def _changed(tree: Any, random: Random) -> Any:
    if not isinstance(tree, dict | list) or not tree or random.random() < 0.15:
        return random.choice(VALUES)
    place = random.choice(list(tree) if isinstance(tree, dict) else range(len(tree)))
    copy: Any = dict(tree) if isinstance(tree, dict) else list(tree)
    what = random.random()
    if what < 0.15:
        del copy[place]
    elif what < 0.3 and isinstance(copy, dict):
        copy[random.choice(("", "unknown", "run_id", "\ud800", "shard", "options", "x" * 300))] = random.choice(VALUES)
    else:
        copy[place] = _changed(copy[place], random)
    return copy


def _range(text: bytes, random: Random) -> tuple[int, int]:
    at = random.randrange(len(text) + 1)
    return at, random.randrange(min(40, len(text) - at) + 1)


CHANGES: tuple[Callable[[bytes, Sequence[bytes], Random], bytes], ...] = (
    flip, flip, overwrite, cut, end, repeat, insert, insert, splice, recode, revalue, revalue, revalue, revalue,
)  # fmt: skip
