"""GenericIPAddressField: text in SQLite, inet in PostgreSQL. inet also holds networks, written with their prefix length."""

from __future__ import annotations

from edms_tasks.conversion.conversion_types import Columns, Converted, Incompatible
from edms_tasks.conversion.storage_classes import Classes

_BYTE = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"{_BYTE}(\.{_BYTE}){{3}}"
_IPV6 = "[0-9a-f.]*:[0-9a-f:.]*"
# Spellings that PostgreSQL changes: ::102:304 to ::1.2.3.4; leading zeros of a group are dropped, groups of zeros become ::.
_OTHERWISE = r"^::(ffff:)?[0-9a-f]{1,4}:[0-9a-f]{1,4}$|(^|:)0[0-9a-f]"


def to_postgresql(value: Classes, columns: Columns) -> Converted:
    """The address, if PostgreSQL would write it the same way; otherwise NULL."""
    text = value.text
    uncompressed = f"(NOT contains({text}, '::') AND regexp_matches({text}, '(^|:)0:0(:|$)'))"
    spelled_alike = f"NOT (regexp_matches({text}, '{_OTHERWISE}') OR {uncompressed})"
    return Converted(
        f"CASE WHEN regexp_full_match({text}, '{_IPV4}') THEN {text} "
        f"WHEN regexp_full_match({text}, '{_IPV6}') AND {spelled_alike} THEN {text} END"
    )


def to_sqlite(value: str, columns: Columns) -> Converted:
    """The address without a prefix length, which snapshots of an earlier release have."""
    address = f"split_part({value}, '/', 1)"
    whole = f"NOT contains({value}, '/') OR {value} = {by_cast(address)}"
    return Converted(
        f"CASE WHEN {whole} THEN {address} END",
        (Incompatible(f"NOT ({whole})", "is a network, and Django's field holds single addresses"),),
    )


def by_cast(value: str) -> str:
    """The address as PostgreSQL's cast to text writes it: always with the prefix length."""
    return f"{value} || CASE WHEN contains({value}, ':') THEN '/128' ELSE '/32' END"
