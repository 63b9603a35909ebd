"""Rows of fixtures, to compare them: ours with those that Django dumps."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from edms_tasks.manifest import Manifest

Row = dict[str, Any]
Rows = dict[tuple[str, str], Row]
DECIMALS, DURATIONS = {"cost", "money", "amount"}, {"review_interval", "lasting"}
"""Names of fields: what SQLite has no digits for, and what looks like a time of day and is none."""


def rows_of(path: Path) -> Rows:
    """The rows of lines of JSON by model and id; lists of links in one order, as Django asks for them without any."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    found = {(row["model"], json.dumps(row.get("pk"))): _with_links_in_order(row) for row in rows}
    assert len(found) == len(rows)
    return found


def _with_links_in_order(row: Row) -> Row:
    fields = {
        name: sorted(value, key=json.dumps) if isinstance(value, list) else value
        for name, value in row["fields"].items()
    }
    return {**row, "fields": {name: _number(value) if name in DECIMALS else value for name, value in fields.items()}}


def meant(value: Any) -> Any:
    """A value, with the JSON in a text taken apart: the order of keys, and how -0.0 is spelled, mean nothing."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return meant(json.loads(value))
        except ValueError:
            return value
    if isinstance(value, list):
        return [meant(one) for one in value]
    return {name: meant(one) for name, one in value.items()} if isinstance(value, dict) else value


def _number(text: str | None) -> str | None:
    # SQLite does not know how many zeros Django shows behind the point.
    # It has the number in full, of which Django shows 15 digits.
    return None if text is None else f"{float(text):.14e}"


def differences(ours: Rows, theirs: Rows) -> list[str]:
    """Rows that one side lacks, and fields that differ."""
    found = [f"{key}: only in {'ours' if key in ours else 'theirs'}" for key in sorted(ours.keys() ^ theirs.keys())]
    for key in ours.keys() & theirs.keys():
        one, other = ours[key]["fields"], theirs[key]["fields"]
        found += [
            f"{key} {name}: {one.get(name, '-')!r} {other.get(name, '-')!r}"
            for name in one.keys() | other.keys()
            if meant(one.get(name, "-")) != meant(other.get(name, "-"))
        ]
    return found


def cut(rows: Rows) -> Rows:
    """The rows with times cut to milliseconds, as Django's JSON has them; durations it does not cut."""
    return {
        key: {
            **row,
            "fields": {name: value if name in DURATIONS else _cut(value) for name, value in row["fields"].items()},
        }
        for key, row in rows.items()
    }


def _cut(value: Any) -> Any:
    return re.sub(r"^((.*T)?\d\d:\d\d:\d\d\.\d{3})\d{3}(Z?)$", r"\1\3", value) if isinstance(value, str) else value


def differing_tables(first: Manifest, second: Manifest) -> set[str]:
    """Tables whose rows are not bit for bit the same: by the proofs of two backups. Links have new ids, and are compared without."""
    proofs = [{entry.table.label: entry.state.proof for entry in manifest.tables} for manifest in (first, second)]
    links = {
        entry.table.label for entry in first.tables if any(one.kind == "many_to_many" for one in entry.table.references)
    }
    return {name for name in proofs[0] if proofs[0][name] != proofs[1].get(name)} - {"django_migrations"} - links
