"""Find secrets in clear text, which anybody who reads the database or a backup can use.

There are two signs. The *name*: a column, or a key in JSON, is called a password, secret, token, credential or private key,
and its values are neither empty nor Django's password hashes nor visibly encrypted. The *value*: it has the form of a
private key, a cloud key or a signed token, in any column. What is called just `key` needs both, for many a key is a word;
what an authenticator keeps is secret whatever it is called. Values are counted, never shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import duckdb

from edms_tasks.digests.value_text import text_value
from edms_tasks.doctor.assessment import Assessment, SettingsFix, assessed, settings_fix_line
from edms_tasks.doctor.json_contents import json_columns, tabulate_json
from edms_tasks.doctor.samples import Sample
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Column, Table
from edms_tasks.keys.checked_keys import CheckedKeys
from edms_tasks.quoting import literal
from edms_tasks.scratch.workspace import relation

_NODES = "secret_nodes"
_OPEN = "Secrets that open something"
_LET_IN = "Secrets of second factors"
_KEYS = "Keys that a machine made"

# The last words of a name count: `api_token` is a secret, `token_type` is not.
_PASSWORD = re.compile(r"(?:^|_)(?:password|passwd|passphrase|passcode|pwd|pin_code)$")
_TOKEN = re.compile(
    r"(?:^|_)(?:secrets?|tokens?|credentials?|seed|session_key|(?:recovery|backup|migrated|scratch|static)_codes?"
    r"|(?:api|secret|private|access|signing|encryption|auth|license|master|hmac)_?key)$"
)
_NOT_CLEAR = re.compile(r"(?:^|_)(?:encrypted|crypted|hashed|hash|digest|public|masked)(?:_|$)")
# Models whose rows let somebody in: second factors and the like.
_AUTHENTICATOR = re.compile(r"authenticator|otp|mfa|twofactor|two_factor|webauthn|passkey", re.IGNORECASE)
_KEPT = frozenset({"data", "key", "value", "config", "settings", "payload"})
# What a machine made: hexadecimal, base 32 or base 64, not a word.
_RANDOM = (r"[0-9a-f]{16,}|[0-9A-F]{16,}|[A-Z2-7]{16,}=*|[A-Za-z0-9+/]{20,}=*", "[0-9]", "[A-Za-z]")
_SHORTEST_TOKEN = 8  # bytes; a shorter value is a setting such as "none" or "bearer"

# Password hashes of Django, and its mark for "no password".
_HASHED = (
    r"(?:pbkdf2_\w+|argon2\w*|bcrypt\w*|scrypt|md5|sha1|unsalted_\w+|crypt)\$.*|\$(?:2[aby]|argon2\w*|5|6|y)\$.*|!.*"
)
# Fernet tokens, Ansible vaults, PGP and age messages, JSON Web Encryption.
_FERNET = "gAAAA"
_ENCRYPTED = (
    rf"{_FERNET}.*|\$ANSIBLE_VAULT.*|-----BEGIN PGP MESSAGE.*|-----BEGIN AGE.*|age-encryption\.org.*"
    r"|[\w-]+(?:\.[\w-]*){4}|\{?enc(?:rypted)?[:}].*"
)

_BY_VALUE = (
    ("a private key", "PRIVATE KEY-----", r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    ("an Amazon access key", "AKIA", r"\bAKIA[0-9A-Z]{16}\b"),
    ("a GitHub token", "gh", r"\bgh[pousr]_[A-Za-z0-9]{36}"),
    ("a Slack token", "xox", r"\bxox[abprs]-[0-9A-Za-z-]{10,}"),
    ("a Google API key", "AIza", r"\bAIza[0-9A-Za-z_-]{35}"),
    ("a signed token (JWT)", "eyJ", r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"),
    ("a URL with a password", "://", r"\b[a-z][a-z0-9+]*://[^\s/:@\"]+:[^\s/:@\"]+@[\w.-]+"),
)


def assess_secrets(cursor: duckdb.DuckDBPyConnection, samples: Sequence[Sample], keys: CheckedKeys) -> list[Assessment]:
    """Count the rows that hold secrets in the clear."""
    assessments = []
    for table in keys.tables.values():
        if keys.raws[table.id].rows:
            assessments += _named_columns(cursor, table, keys)
            assessments += _telling_values(cursor, table, keys)
    for sample in samples:
        for column in json_columns(cursor, sample):
            if _sign_of(sample.table, sample.table.column(column)) == _LET_IN:
                continue  # counted already, as a whole
            assessments += _named_keys(cursor, sample, column)
    return assessments


def _named_columns(cursor: duckdb.DuckDBPyConnection, table: Table, keys: CheckedKeys) -> list[Assessment]:
    assessments = []
    for column in _texts(table):
        sign = _sign_of(table, column)
        if sign is None:
            continue
        text = _text(table, column, keys)
        filled, clear = cursor.execute(
            f"SELECT count(nullif({text}, '')), count(*) FILTER ({_is_clear(text, sign)}) "
            f"FROM {relation(table, keys.raws[table.id])}"
        ).fetchall()[0]
        if clear:
            assessments.append(
                _assessment(
                    table,
                    column.name,
                    int(clear),
                    f"{sign}, by its name; {clear:,} of {filled:,} values are neither a password hash of Django's nor visibly "
                    "encrypted.",
                )
            )
    return assessments


def _telling_values(cursor: duckdb.DuckDBPyConnection, table: Table, keys: CheckedKeys) -> list[Assessment]:
    """Values that look like secrets, in columns whose names do not."""
    columns = [column for column in _texts(table) if _sign_of(table, column) in (None, _KEYS)]
    if not columns:
        return []
    counts = []
    for column in columns:
        text = _text(table, column, keys)
        counts += [
            f"count(*) FILTER (contains({text}, {literal(part)}) AND regexp_matches({text}, {literal(pattern)}))"
            for _, part, pattern in _BY_VALUE
        ]
    row = cursor.execute(f"SELECT {', '.join(counts)} FROM {relation(table, keys.raws[table.id])}").fetchall()[0]
    found = iter(row)
    return [
        _assessment(table, column.name, int(count), f"{what}, by the look of its values.")
        for column in columns
        for what, _, _ in _BY_VALUE
        if (count := next(found))
    ]


def _named_keys(cursor: duckdb.DuckDBPyConnection, sample: Sample, column: str) -> list[Assessment]:
    """Keys in a column's JSON with names of secrets, such as the password of a mailbox in a source's settings."""
    tabulate_json(cursor, sample, column, _NODES)
    names = cursor.execute(f"SELECT DISTINCT key FROM {_NODES} WHERE key IS NOT NULL AND value IS NOT NULL").fetchall()
    assessments = []
    for (name,) in sorted(names):
        sign = _sign(str(name))
        if sign is None:
            continue
        (clear,) = cursor.execute(
            f"SELECT count(*) FROM {_NODES} WHERE key = {literal(str(name))} AND {_is_clear('value', sign)}"
        ).fetchall()[0]
        if clear:
            assessments.append(
                _assessment(
                    sample.table,
                    column,
                    int(clear),
                    f"{sign} in its JSON, by the name of the key {str(name)!r}; {clear:,} values of the {sample.rows:,} rows looked "
                    "at are neither a password hash of Django's nor visibly encrypted.",
                )
            )
    return assessments


def _texts(table: Table) -> list[Column]:
    """The columns of text. UUIDs are identifiers, and bytes cannot be told from ciphertext."""
    return [column for column in table.columns if column.logical_type in ("text", "json", "other")]


def _text(table: Table, column: Column, keys: CheckedKeys) -> str:
    encoding = keys.raws[table.id].encodings.get(column.name, "native")
    return text_value(column.name, keys.types[table.id][column.name], encoding)


def _sign_of(table: Table, column: Column) -> str | None:
    model = table.label.rpartition(".")[2] if table.model is not None else ""
    if model and column.name.lower() in _KEPT and _AUTHENTICATOR.search(model):
        return _LET_IN
    # The `key` of an ApiKey or a Token is the secret itself.
    if model and column.name in ("key", "value") and (sign := _sign(model)):
        return sign
    return _sign(column.name) or (_KEYS if column.name.lower() == "key" else None)


def _sign(name: str) -> str | None:
    """The kind of secret that a name suggests, or None."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("-", "_")
    if _NOT_CLEAR.search(snake):
        return None
    if _PASSWORD.search(snake):
        return "Passwords"
    return _OPEN if _TOKEN.search(snake) else None


def _is_clear(text: str, sign: str) -> str:
    shortest = 1 if sign == "Passwords" else _SHORTEST_TOKEN
    more = ""
    if sign == _KEYS:
        form, *parts = _RANDOM
        more = f"regexp_full_match({text}, {literal(form)}) AND "
        more += "".join(f"regexp_matches({text}, {literal(part)}) AND " for part in parts)
    elif sign == _LET_IN:
        more = f"NOT contains({text}, {literal(_FERNET)}) AND "  # JSON with encrypted values
    return (
        f"{more}strlen({text}) >= {shortest} AND NOT regexp_full_match({text}, {literal(_HASHED)}, 's') "
        f"AND NOT regexp_full_match({text}, {literal(_ENCRYPTED)}, 's')"
    )


def _assessment(table: Table, column: str, count: int, how: str) -> Assessment:
    settings_fix = None
    fix = (
        "Encrypt the values in the EDMS, or keep them outside its database. Until then guard every backup like the secrets "
        "themselves."
    )
    if table.name == "django_session":
        settings_fix = SettingsFix(section="exclude", key="tables", value=(table.label,))
        fix = f"Leave the sessions out; people log in again after a restore: {settings_fix_line(settings_fix)}"
    return assessed(
        make_finding(
            "secret-in-clear",
            f"{table.label}.{column}",
            f"It holds {how[0].lower()}{how[1:]} Anybody who can read a backup can use them.",
            count=count,
            fix=fix,
        ),
        settings_fix,
    )
