"""Values of numeric, interval, time, inet, dates and times in the form that the server's receive functions read, from their text.

The forms are those of src/backend/utils/adt: numeric_recv, interval_recv, time_recv, inet_recv, date_recv, timestamp_recv. The text is
that of the output functions under the settings of our sessions (`session_settings.py`). Values that have another text have no binary
form here. Dates and times are stored as text where some of a column are beyond Arrow's range.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_Make = Callable[[pa.Array], pa.Array | None]

_NUMERIC = r"^(?P<sign>-?)(?P<whole>[0-9]+)(?:\.(?P<rest>[0-9]+))?$"
_MOST_GROUPS = 32  # of four digits: every value of a chunk gets as many as the longest
_NEGATIVE = 0x4000

_CLOCK = r"(?P<hours>[0-9]{1,10}):(?P<minutes>[0-9]{2}):(?P<seconds>[0-9]{2})(?:\.(?P<rest>[0-9]{1,6}))?"
_TIME = f"^{_CLOCK}$"
_PART = "(?:(?P<{0}s>[+-]?[0-9]{{1,10}}) {0}s? ?)?"
_INTERVAL = f"^{_PART.format('year')}{_PART.format('mon')}{_PART.format('day')}(?:(?P<sign>[+-]?){_CLOCK})?$"
_MOST_HOURS = 2_562_047_787  # in 64 bits of microseconds
_TOO_MANY = 2**31  # for 32 bits
_OF_AN_INTERVAL = np.dtype([("microseconds", ">i8"), ("days", ">i4"), ("months", ">i4")])

_DATE = "(?P<year>[0-9]{4,7})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
_ERA = "(?P<era>(?: BC)?)$"
_MOST_DAYS = 106_751_983  # to the year 294277, from which on the server has no times
_FIRST_DAY = 719_468 + 10_957  # from 0000-03-01 to 2000-01-01

_FAMILIES = MappingProxyType({socket.AF_INET: (2, 32), socket.AF_INET6: (3, 128)})


def binary_values(base: str, texts: pa.Array) -> pa.Array | None:
    """The values of a column in their binary form; None if one of them has none here. NULL stays NULL.

    Args:
        base: the name of the type, without its parameters; one of `BINARY_TYPES`.
        texts: the values as text.
    """
    found = texts.dictionary_encode()  # such values often repeat, and reading a text costs more than finding it again
    if not len(found.dictionary):
        return pa.nulls(len(texts), pa.binary())
    made = BINARY_TYPES[base](found.dictionary)
    return made.take(found.indices) if made is not None else None


def _numerics(texts: pa.Array) -> pa.Array | None:
    parts = _parts(texts, _NUMERIC)
    if parts is None:
        return None
    whole, rest = parts["whole"], parts["rest"]
    scales = pc.binary_length(rest).to_numpy()
    before, after = -(-int(pc.max(pc.binary_length(whole)).as_py()) // 4), -(-int(scales.max()) // 4)
    if before + after > _MOST_GROUPS:
        return None
    padded = pc.binary_join_element_wise(pc.ascii_lpad(whole, before * 4, "0"), pc.ascii_rpad(rest, after * 4, "0"), "")
    digits = _bytes_of(padded).reshape(len(texts), before + after, 4) - ord("0")
    form = np.dtype(
        [("groups", ">i2"), ("weight", ">i2"), ("sign", ">u2"), ("scale", ">u2"), ("digits", ">i2", (before + after,))]
    )
    values = np.empty(len(texts), form)
    values["groups"], values["weight"], values["scale"] = before + after, before - 1, scales
    values["sign"] = np.where(_is(parts["sign"], "-"), _NEGATIVE, 0)
    # The server drops groups of zeros at both ends.
    values["digits"] = digits.astype(np.int16) @ np.array([1000, 100, 10, 1], np.int16)
    return _array(values)


def _intervals(texts: pa.Array) -> pa.Array | None:
    parts = _parts(texts, _INTERVAL)
    if parts is None or pc.any(pc.equal(texts, "")).as_py():
        return None
    days, months = _numbers(parts["days"]), _numbers(parts["years"]) * 12 + _numbers(parts["mons"])
    microseconds = _microseconds(parts)
    if microseconds is None or max(np.abs(days).max(), np.abs(months).max()) >= _TOO_MANY:
        return None
    values = np.empty(len(texts), _OF_AN_INTERVAL)
    values["microseconds"] = np.where(_is(parts["sign"], "-"), -microseconds, microseconds)
    values["days"], values["months"] = days, months
    return _array(values)


def _times(texts: pa.Array) -> pa.Array | None:
    parts = _parts(texts, _TIME)
    microseconds = _microseconds(parts) if parts is not None else None
    return _array(microseconds.astype(">i8")) if microseconds is not None else None


def _dates(texts: pa.Array) -> pa.Array | None:
    return _days_or_moments(texts, f"^{_DATE}{_ERA}", np.dtype(">i4"))


def _moments(texts: pa.Array) -> pa.Array | None:
    return _days_or_moments(texts, rf"^{_DATE} {_CLOCK}(?:\+00)?{_ERA}", np.dtype(">i8"))


def _days_or_moments(texts: pa.Array, pattern: str, kind: np.dtype[np.signedinteger]) -> pa.Array | None:
    """Days or microseconds since 2000; the least and the greatest number stand for `-infinity` and `infinity`."""
    endless = {"infinity": np.iinfo(kind).max, "-infinity": np.iinfo(kind).min}
    instead = "2000-01-01" + " 00:00:00" * (kind.itemsize == 8)
    parts = _parts(pc.if_else(pc.is_in(texts, pa.array(list(endless))), instead, texts), pattern)
    if parts is None:
        return None
    values = _days(parts)
    of_the_day = _microseconds(parts) if "hours" in parts else 0
    if of_the_day is None or np.abs(values).max() >= (_TOO_MANY if kind.itemsize == 4 else _MOST_DAYS):
        return None
    if "hours" in parts:
        values = values * 86_400_000_000 + of_the_day
    for text, number in endless.items():
        values[_is(texts, text)] = number
    return _array(values.astype(kind))


def _days(parts: Mapping[str, pa.Array]) -> npt.NDArray[np.int64]:
    """Days since 2000 in the Gregorian calendar, which PostgreSQL uses for all times; a year begins in March, so a leap day is its last."""
    year, month, day = (_numbers(parts[name]) for name in ("year", "month", "day"))
    year = np.where(_is(parts["era"], " BC"), 1 - year, year) - (month <= 2)
    before = year * 365 + year // 4 - year // 100 + year // 400
    return before + (153 * ((month + 9) % 12) + 2) // 5 + day - 1 - _FIRST_DAY


def _addresses(texts: pa.Array) -> pa.Array | None:
    try:
        return pa.array([_address(text) for text in texts.to_pylist()], pa.binary())
    except ValueError:
        return None


def _address(text: str) -> bytes:
    """An address with or without the bits of its network. Raises ValueError if it is none."""
    host, slash, network = text.partition("/")
    family, all_bits = _FAMILIES[socket.AF_INET6 if ":" in host else socket.AF_INET]
    try:
        packed = socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    except OSError as error:
        raise ValueError(f"{len(host)} characters are no address") from error
    if slash and not (re.fullmatch("[0-9]{1,3}", network) and int(network) <= all_bits):
        raise ValueError("a network has a number of bits")
    return struct.pack("4B", family, int(network) if slash else all_bits, 0, len(packed)) + packed


BINARY_TYPES: Mapping[str, _Make] = MappingProxyType(
    {
        "numeric": _numerics,
        "interval": _intervals,
        "time without time zone": _times,
        "inet": _addresses,
        "date": _dates,
        "timestamp without time zone": _moments,
        "timestamp with time zone": _moments,
    }
)
"""Type -> what makes its values."""


def _parts(texts: pa.Array, pattern: str) -> dict[str, pa.Array] | None:
    """The named parts of each text, "" for those that it lacks; None if a text is another."""
    found = pc.extract_regex(texts, pattern)
    return (
        {field.name: found.field(number) for number, field in enumerate(found.type)} if not found.null_count else None
    )


def _microseconds(parts: Mapping[str, pa.Array]) -> npt.NDArray[np.int64] | None:
    hours = _numbers(parts["hours"])
    if hours.max() > _MOST_HOURS:
        return None
    seconds = (hours * 60 + _numbers(parts["minutes"])) * 60 + _numbers(parts["seconds"])
    found: npt.NDArray[np.int64] = seconds * 1_000_000 + _numbers(pc.ascii_rpad(parts["rest"], 6, "0"))
    return found


def _numbers(texts: pa.Array) -> npt.NDArray[np.int64]:
    digits = pc.replace_substring_regex(texts, r"^\+?$|^\+", "0")  # "+3" is "03", and nothing is 0
    numbers: npt.NDArray[np.int64] = digits.cast(pa.int64()).to_numpy()
    return numbers


def _is(texts: pa.Array, text: str) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = pc.equal(texts, text).to_numpy(zero_copy_only=False)
    return found


def _bytes_of(texts: pa.Array) -> npt.NDArray[np.uint8]:
    _, offsets, data = texts.buffers()
    bounds = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]]


def _array(values: npt.NDArray[np.generic]) -> pa.Array:
    return pa.Array.from_buffers(pa.binary(values.itemsize), len(values), [None, pa.py_buffer(values.tobytes())])
