"""Seeded mutations of bytes and of JSON, as damage and as somebody who can write to the storage would make them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

HOSTILE: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**63, -(2**63) - 1, 10**400, 1e308, 0.5,
    "", " ", "x" * 100_000, "../../../etc/passwd", "/etc/passwd", "a\0b", "\ud800", "\u202e", "latest", "0" * 64, "f" * 64,
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-06-01T12:00:00", "2026-06-01T12:00:00Z", "1e999", "NaN",
    "'; DROP TABLE x; --", '"', "%s", "{}", [], {}, [[]], {"": None}, [None],
)  # fmt: skip
"""Values in place of others."""


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The bytes with one to three mutations; JSON is often altered as such."""
    for _ in range(chance.choice((1, 1, 2, 3))):
        ways: list[Callable[[bytes, random.Random], bytes]] = [_of_bytes]
        if data[:1] in (b"{", b"["):
            ways = [_of_bytes, _of_json, _of_json, _of_json, _deep]
        data = chance.choice(ways)(data, chance)
    return data


def _of_bytes(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    to = min(len(data), at + chance.choice((1, 2, 8, 64, 1024)))
    match chance.randrange(7):
        case 0 if at < len(data):
            return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
        case 1:
            return data[:at]
        case 2:
            return data[:at] + data[to:]
        case 3:
            return data[:to] + data[at:]
        case 4:
            return data[:at] + chance.randbytes(to - at) + data[to:]
        case 5:
            return (
                data[:at]
                + chance.choice((b"\0", b"\xff" * 8, b"\x7f\xff\xff\xff", b"9" * 30, b'"', b"[" * 5000))
                + data[at:]
            )
        case _:
            return b""


def _of_json(data: bytes, chance: random.Random) -> bytes:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return _of_bytes(data, chance)
    places = _places(document)
    if not places:
        return json.dumps(chance.choice(HOSTILE)).encode()
    holder, key = chance.choice(places)
    match chance.randrange(5):
        case 0 if isinstance(holder, dict):
            del holder[key]
        case 1 if isinstance(holder, list):
            holder.append(holder[key])
        case 2:
            other, place = chance.choice(places)
            holder[key] = other[place] if not _contains(other[place], holder) else None
        case 3 if isinstance(holder[key], int) and not isinstance(holder[key], bool):
            holder[key] += chance.choice((-1, 1, 10**6, -(10**6)))
        case _:
            holder[key] = chance.choice(HOSTILE)
    return json.dumps(document).encode("utf-8", "surrogatepass")


def _deep(data: bytes, chance: random.Random) -> bytes:
    """A value nested so deeply that a recursive reader would not come back."""
    depth = chance.choice((200, 20_000))
    at = data.find(b":", chance.randrange(len(data)))
    if at < 0:
        return data
    return data[: at + 1] + b"[" * depth + b"]" * depth + b", " + data[at + 1 :]


def _places(document: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    waiting = [document]
    while waiting:
        one = waiting.pop()
        keys = list(one) if isinstance(one, dict) else range(len(one)) if isinstance(one, list) else ()
        for key in keys:
            found.append((one, key))
            waiting.append(one[key])
    return found


def _contains(value: Any, holder: Any) -> bool:
    """Whether `holder` is within `value`, which would make a circle."""
    return value is holder or any(part is holder for part, _ in _places(value))
