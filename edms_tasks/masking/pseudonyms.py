"""Pseudonyms as DuckDB SQL: functions of a value and of the copy's secret key, so equal values get equal pseudonyms in all tables.

The key is a variable of the cursor and never part of a statement: errors of a database quote statements. Without the key nobody can
compute the pseudonyms of a dictionary's words and compare.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import duckdb

from edms_tasks.errors import SettingsError
from edms_tasks.masking.masked_texts import TEXT, TEXTS
from edms_tasks.masking.rules import Kind
from edms_tasks.scratch.workspace import Workspace

KEY_VARIABLE = "EDMS_BACKUP_MASK_KEY"
"""The environment variable with the key; with the same key, several copies have the same pseudonyms."""

_KEY = "getvariable('mask_key')"
_HEX = "0123456789abcdef"
_CONSONANTS = "bdfghjklmnprstvz"
_VOWELS = "aeiouaeiouaeioua"
_SYLLABLES = 5  # ten letters, so no pseudonym is one of the short names that are searched for as whole words
_DOMAIN = "@masked.invalid"
_EMAIL = 16  # characters before the @, where there is room


@dataclass(frozen=True)
class MaskKey:
    """The secret of a copy's pseudonyms."""

    text: str = field(repr=False)
    source: Literal["random", "environment"]


def random_key() -> MaskKey:
    """A key that nobody learns."""
    return MaskKey(secrets.token_hex(32), "random")


def mask_key() -> MaskKey:
    """The key of the environment, or a random one that nobody learns. Raises SettingsError for one that could be guessed."""
    given = os.environ.get(KEY_VARIABLE)
    if given is None:
        return random_key()
    if len(given) < 32:
        raise SettingsError(
            "The key for pseudonyms is too short.",
            where=f"the environment variable {KEY_VARIABLE}",
            why="With a key that can be guessed, pseudonyms can be turned back into what they stand for.",
            fix="Set it to at least 32 random characters (`openssl rand -hex 32`), or unset it for a random one.",
        )
    return MaskKey(given, "environment")


@contextmanager
def keyed_cursor(workspace: Workspace, key: MaskKey) -> Iterator[duckdb.DuckDBPyConnection]:
    """A cursor of the workspace on which pseudonyms can be computed."""
    with workspace.cursor() as cursor:
        cursor.execute("SET VARIABLE mask_key = ?", [key.text])
        yield cursor


def pseudonym(kind: Kind, value: str, limit: int | None) -> str:
    """SQL of the pseudonym of a text (`value`, SQL) in at most `limit` characters; NULL and the empty text stay as they are."""
    made = _MADE[kind](value)
    if kind == "email" and limit is not None:  # the beginning is shortened, so that the address stays one
        made = _email(value, max(1, min(_EMAIL, limit - len(_DOMAIN))))
    cut = made if limit is None else f"rtrim(left({made}, {limit}))"
    return f"CASE WHEN {value} = '' THEN '' ELSE {cut} END"


def pseudonyms(kind: Kind, values: str) -> str:
    """SQL of the pseudonyms of a list of texts."""
    if kind == "null":
        return f"list_transform({values}, lambda one: CAST(NULL AS VARCHAR))"
    if kind == "text":
        return f"{TEXTS}({values})"
    return f"list_transform({values}, lambda one: {pseudonym(kind, 'one', None)})"


def number(value: str, most_digits: int) -> str:
    """SQL of an integer with as many digits as `value` (SQL), at most `most_digits`."""
    digits = f"least(length(CAST(abs(CAST({value} AS HUGEINT)) AS VARCHAR)), {most_digits})"
    lowest = f"CAST(pow(10, {digits} - 1) AS BIGINT)"
    drawn = _integer(_hashed("number", f"CAST({value} AS VARCHAR)"), 1, 15)
    return f"CAST(sign({value}) AS BIGINT) * ({lowest} + {drawn} % (9 * {lowest}))"


def days(subject: str, most: int) -> str:
    """SQL of a number of days for a subject (SQL of a text): from 1 to `most`, or the same backwards."""
    hashed = _hashed("shift", subject)
    drawn = f"(1 + {_integer(hashed, 1, 12)} % {most})"
    return f"CAST({drawn} * (CASE WHEN substr({hashed}, 13, 1) < '8' THEN 1 ELSE -1 END) AS INTEGER)"


def _hashed(purpose: str, text: str) -> str:
    """SQL of 64 hexadecimal digits that depend on the key and the text."""
    return f"sha256({_KEY} || sha256({_KEY} || '{purpose}:' || {text}))"


def _integer(hashed: str, first: int, last: int) -> str:
    """SQL of the number that some digits of a hash are."""
    return f"CAST('0x' || {hashed}[{first}:{last}] AS BIGINT)"


def _hash(value: str) -> str:
    hashed = _hashed("hash", value)
    dashed = " || '-' || ".join(
        f"{hashed}[{first}:{last}]" for first, last in ((1, 8), (9, 12), (13, 16), (17, 20), (21, 32))
    )
    is_uuid = f"regexp_full_match({value}, '[0-9a-fA-F]{{8}}(-[0-9a-fA-F]{{4}}){{3}}-[0-9a-fA-F]{{12}}')"
    return f"CASE WHEN {is_uuid} THEN {dashed} ELSE left({hashed}, 32) END"


def _name(value: str) -> str:
    """Each word gets its own pseudonym, so that a full name is that of the first name and that of the last."""
    letters = " || ".join(
        f"translate(h[{2 * place + 1}], '{_HEX}', '{_CONSONANTS.upper() if place == 0 else _CONSONANTS}')"
        f" || translate(h[{2 * place + 2}], '{_HEX}', '{_VOWELS}')"
        for place in range(_SYLLABLES)
    )
    word = f"list_transform([{_hashed('name', 'lower(word)')}], lambda h: {letters})[1]"
    return (
        f"array_to_string(list_transform(string_split({value}, ' '),"
        f" lambda word: CASE WHEN word = '' THEN '' ELSE {word} END), ' ')"
    )


def _email(value: str, characters: int = _EMAIL) -> str:
    return f"left({_hashed('email', f'lower(trim({value}))')}, {characters}) || '{_DOMAIN}'"


def _phone(value: str) -> str:
    """Digits become others, and letters x, because names stand beside numbers; other signs stay."""
    digits = f"translate({_hashed('phone', _digits(value))}, '{_HEX}', '0123456789012345')"
    one = (
        "CASE WHEN sign >= '0' AND sign <= '9' THEN digits[(place - 1) % 64 + 1]"
        r" WHEN regexp_matches(sign, '[\p{L}\p{M}\p{N}]') THEN 'x' ELSE sign END"
    )
    return (
        f"array_to_string(list_transform([{digits}], lambda digits:"
        f" array_to_string(list_transform(string_split({value}, ''), lambda sign, place: {one}), ''))::VARCHAR[], '')"
    )


def _digits(value: str) -> str:
    return f"regexp_replace({value}, '[^0-9]', '', 'g')"


def _ip(value: str) -> str:
    hashed = _hashed("ip", value)
    numbers = " || '.' || ".join(f"CAST({_integer(hashed, at, at + 1)} AS VARCHAR)" for at in (1, 3, 5))
    return f"'10.' || {numbers}"


def _password(value: str) -> str:
    """What Django takes for a password that nobody can log in with."""
    return f"'!' || left({_hashed('password', value)}, 40)"


def _text(value: str) -> str:
    return f"{TEXT}({value})"


_MADE = {
    "hash": _hash,
    "name": _name,
    "email": _email,
    "phone": _phone,
    "ip": _ip,
    "password": _password,
    "text": _text,
}
TEXT_KINDS = frozenset(_MADE)
"""The kinds whose pseudonyms are texts."""
