"""Is every reference of a real system right? Says what each row means, with no id in it. Runs in the system's own Python.

    python references.py describe --output FILE     write down what each row means
    python references.py same FILE [--but LABEL…]   each row, by its id, must mean what was written down
    python references.py merged SOURCE TARGET       the target's rows must be as they were, the source's must mean the same

It shares no code with edms-backup, and knows the system instead: every place that holds ids without a foreign key stands
in the system's `hidden.py`. A row means its values, with what they refer to in place of each id, and the content of its
files in place of their names. Exit code 1: something is wrong, and what is printed.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import django

django.setup()

import hidden  # noqa: E402
from django.apps import apps  # noqa: E402
from meaning import canonical, meaning_of  # noqa: E402

SHOWN = 8
# Model -> columns that the system counts from others, or that are the names files go by: not compared after a merge.
RECOUNTED: dict[str, set[str]] = hidden.RECOUNTED
# Model -> the column that says whose rows these are: made anew by the system, under ids that nobody keeps.
REMADE: dict[str, str] = getattr(hidden, "REMADE", {})
Rows = dict[str, dict[str, dict[str, Any]]]


def main() -> int:
    """Do as the arguments say."""
    parser = argparse.ArgumentParser()
    kinds = parser.add_subparsers(dest="kind", required=True)
    kinds.add_parser("describe").add_argument("--output", type=Path, required=True)
    same = kinds.add_parser("same")
    same.add_argument("before", type=Path)
    same.add_argument("--but", nargs="*", default=[], metavar="LABEL", help="models that may have new rows")
    merged = kinds.add_parser("merged")
    merged.add_argument("source", type=Path)
    merged.add_argument("target", type=Path)
    options = parser.parse_args()
    rows = describe()
    if options.kind == "describe":
        options.output.write_text(json.dumps(rows, sort_keys=True))
        return verdict([], rows)
    if options.kind == "same":
        return verdict(differences(_read(options.before), rows, options.but), rows)
    source, target = _read(options.source), _read(options.target)
    wrong = [*untouched(target, rows), *arrived(source, target, rows), *remade(source, target, rows)]
    return verdict(wrong, rows)


def describe() -> Rows:
    """Model -> primary key -> the row's identity and what it means."""
    found: Rows = {}
    for model in apps.get_models(include_auto_created=True):
        if model._meta.label in hidden.LEFT_OUT or not model._meta.managed or model._meta.proxy:
            continue
        found[model._meta.label] = {
            str(row.pk): {"identity": meaning_of(row), **canonical(row)} for row in model._base_manager.order_by("pk")
        }
    assert sum(len(rows) for rows in found.values()) > 100, "there is nothing to look at"
    return found


def differences(before: Rows, after: Rows, may_grow: list[str]) -> list[str]:
    """Rows that are gone, are new, or mean something else."""
    found = []
    for label in sorted(before.keys() | after.keys()):
        one, other = before.get(label, {}), after.get(label, {})
        if label in REMADE:
            found += _counted(label, _texts(label, one), _texts(label, other))
            continue
        for key in sorted(one.keys() | other.keys()):
            if one.get(key) != other.get(key) and not (label in may_grow and key not in one):
                found.append(f"{label} {key}: {_first_difference(one.get(key), other.get(key))}")
    return found


def untouched(target: Rows, merged: Rows) -> list[str]:
    """What a merge did to rows that were there: each must mean what it did, under its id."""
    found = []
    for label, rows in target.items():
        if label in REMADE:
            continue
        for key, row in rows.items():
            if (now := merged.get(label, {}).get(key)) is None or _kept(label, now) != _kept(label, row):
                difference = _first_difference(_kept(label, row), now and _kept(label, now))
                found.append(f"target's {label} {key}: {difference}")
    return found


def arrived(source: Rows, target: Rows, merged: Rows) -> list[str]:
    """What a merge did not bring, brought wrong, or invented: each row once, with the meaning that it had in the source."""
    found = []
    for label, rows in source.items():
        if label in REMADE:
            continue
        there = {row["identity"] for row in target.get(label, {}).values()}
        expected = Counter(_text(label, row) for row in rows.values() if row["identity"] not in there)
        new = [row for key, row in merged[label].items() if key not in target.get(label, {})]
        brought = Counter(_text(label, row) for row in new)
        wanted = {row["identity"]: row for row in rows.values()}
        for row in new:
            if brought[_text(label, row)] > expected[_text(label, row)]:
                was = wanted.get(row["identity"])
                difference = _first_difference(was and _kept(label, was), _kept(label, row))
                found.append(f"merged {label} {row['identity'][:80]}: {difference}")
        for text in expected - brought:
            found.append(f"source's {label} did not come as it was: {text[:300]}")
    return found


def remade(source: Rows, target: Rows, merged: Rows) -> list[str]:
    """What the system makes from other rows must be that of the target's rows and of those that came."""
    there = {row["identity"] for rows in target.values() for row in rows.values()}
    found = []
    for label, whose in REMADE.items():
        expected = Counter(_text(label, row) for row in target[label].values())
        expected += Counter(_text(label, row) for row in source[label].values() if row[whose] not in there)
        found += _counted(label, expected, Counter(_text(label, row) for row in merged[label].values()))
    return found


def _texts(label: str, rows: dict[str, dict[str, Any]]) -> Counter[str]:
    return Counter(_text(label, row) for row in rows.values())


def _counted(label: str, expected: Counter[str], found: Counter[str]) -> list[str]:
    missing = [f"missing {label}: {text[:400]}" for text in (expected - found).elements()]
    return missing + [f"too many {label}: {text[:400]}" for text in (found - expected).elements()]


def _kept(label: str, row: dict[str, Any]) -> dict[str, Any]:
    recounted = RECOUNTED.get(label, set())
    return {name: value for name, value in row.items() if name not in recounted}


def _text(label: str, row: dict[str, Any]) -> str:
    return json.dumps(_kept(label, row), sort_keys=True, ensure_ascii=False)


def _first_difference(before: dict[str, Any] | None, after: dict[str, Any] | None) -> str:
    if before is None or after is None:
        return "is new" if before is None else "is gone"
    name = next(name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name))
    return f"{name} was {str(before.get(name))[:120]}, is {str(after.get(name))[:120]}"


def _read(path: Path) -> Any:
    return json.loads(path.read_text())


def verdict(wrong: list[str], rows: Rows) -> int:
    """Print what is wrong, by model, and say how much was looked at."""
    by_model = Counter(line.split(":")[0].rsplit(" ", 1)[0] for line in wrong)
    for name, count in by_model.most_common():
        sys.stdout.write(f"{count:6,} wrong: {name}\n")
        for line in [line for line in wrong if line.startswith(name)][:SHOWN]:
            sys.stdout.write(f"         {line}\n")
    count = sum(len(one) for one in rows.values())
    columns = sum(len(fields) for fields in hidden.HIDDEN.values())
    sys.stdout.write(
        f"{count:,} rows of {len(rows)} models, with {columns} columns of hidden references: {len(wrong)} wrong\n"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
