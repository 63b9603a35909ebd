"""Is every reference of a paperless-ngx right? Says what each row means, with no id in it. Runs in paperless's Python.

    python references.py describe --output FILE     write down what each row means
    python references.py same FILE                  each row, by its id, must mean what was written down
    python references.py merged SOURCE TARGET       the target's rows must be as they were, the source's must mean the same
    python references.py tree                       the counted columns of the tree of tags must be what its parents say
    python references.py sanity SOURCE TARGET MERGED    of answers: the sanity checker finds what it found in both, no more

It shares no code with edms-backup, and knows paperless-ngx instead: every place that holds ids without a foreign key
stands in `hidden.py`. A row means its values, with what they refer to in place of each id, and the content of its files in
place of their names. Exit code 1: something is wrong, and what is printed.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import django

django.setup()

from django.apps import apps  # noqa: E402
from hidden import HIDDEN  # noqa: E402
from meaning import canonical, meaning_of  # noqa: E402

from documents.models import Tag  # noqa: E402

# Rows of no use to anybody who has them from elsewhere, and what paperless computes from other columns.
LEFT_OUT = {"sessions.Session", "contenttypes.ContentType", "auth.Permission"}
SHOWN = 8
Rows = dict[str, dict[str, dict[str, Any]]]


def main() -> int:
    """Do as the arguments say."""
    parser = argparse.ArgumentParser()
    kinds = parser.add_subparsers(dest="kind", required=True)
    kinds.add_parser("describe").add_argument("--output", type=Path, required=True)
    kinds.add_parser("tree")
    kinds.add_parser("same").add_argument("before", type=Path)
    merged = kinds.add_parser("merged")
    merged.add_argument("source", type=Path)
    merged.add_argument("target", type=Path)
    sanity = kinds.add_parser("sanity")
    for name in ("source", "target", "merged"):
        sanity.add_argument(name, type=Path)
    options = parser.parse_args()
    if options.kind == "sanity":
        return compare_sanity(*(_read(path)["sanity"] for path in (options.source, options.target, options.merged)))
    rows = describe()
    if options.kind == "describe":
        options.output.write_text(json.dumps(rows, sort_keys=True))
        return _verdict([], rows)
    if options.kind == "tree":
        return _verdict(torn_trees(), rows)
    if options.kind == "same":
        return _verdict(differences(_read(options.before), rows), rows)
    source, target = _read(options.source), _read(options.target)
    return _verdict([*untouched(target, rows), *arrived(source, target, rows)], rows)


def describe() -> Rows:
    """Model -> primary key -> the row's identity and what it means."""
    found: Rows = {}
    for model in apps.get_models(include_auto_created=True):
        if model._meta.label in LEFT_OUT or not model._meta.managed or model._meta.proxy:
            continue
        found[model._meta.label] = {
            str(row.pk): {"identity": meaning_of(row), **canonical(row)} for row in model._base_manager.order_by("pk")
        }
    assert sum(len(rows) for rows in found.values()) > 100, "there is nothing to look at"
    return found


def differences(before: Rows, after: Rows) -> list[str]:
    """Rows that are gone, are new, or mean something else."""
    found = []
    for label in sorted(before.keys() | after.keys()):
        one, other = before.get(label, {}), after.get(label, {})
        for key in sorted(one.keys() | other.keys()):
            if one.get(key) != other.get(key):
                found.append(f"{label} {key}: {_first_difference(one.get(key), other.get(key))}")
    return found


def untouched(target: Rows, merged: Rows) -> list[str]:
    """What a merge did to rows that were there: each must mean what it did, under its id."""
    found = []
    for label, rows in target.items():
        for key, row in rows.items():
            if (now := merged.get(label, {}).get(key)) is None or _kept(now) != _kept(row):
                found.append(f"target's {label} {key}: {_first_difference(_kept(row), now and _kept(now))}")
    return found


def arrived(source: Rows, target: Rows, merged: Rows) -> list[str]:
    """What a merge did not bring, brought wrong, or invented: each row once, with the meaning that it had in the source."""
    found = []
    for label, rows in source.items():
        there = {row["identity"] for row in target.get(label, {}).values()}
        expected = Counter(_text(row) for row in rows.values() if row["identity"] not in there)
        new = [row for key, row in merged[label].items() if key not in target.get(label, {})]
        brought = Counter(_text(row) for row in new)
        wanted = {row["identity"]: row for row in rows.values()}
        for row in new:
            if brought[_text(row)] > expected[_text(row)]:
                was = wanted.get(row["identity"])
                found.append(
                    f"merged {label} {row['identity'][:80]}: {_first_difference(was and _kept(was), _kept(row))}"
                )
        for text in expected - brought:
            found.append(f"source's {label} did not come as it was: {text[:300]}")
    return found


def torn_trees() -> list[str]:
    """Tags whose counted columns contradict their parents."""
    parents = dict(Tag.objects.values_list("pk", "tn_parent_id"))
    found = []
    for tag in Tag.objects.order_by("pk"):
        above, parent = [], tag.tn_parent_id
        while parent is not None:
            above.insert(0, parent)
            parent = parents[parent]
        below = sorted(pk for pk, parent in parents.items() if parent == tag.pk)
        for name, counted, true in (
            ("ancestors", tag.tn_ancestors_pks, above),
            ("children", tag.tn_children_pks, below),
        ):
            if sorted(int(pk) for pk in counted.split(",") if pk) != sorted(true):
                found.append(f"the tree of tags is torn at {tag.name}: {name} are {counted!r}, and should be {true}")
    return found


def compare_sanity(source: dict[str, Any], target: dict[str, Any], merged: dict[str, Any]) -> int:
    """By what is said, as documents have other numbers now."""
    told = [
        Counter(text.split(": ")[0] for texts in one.values() for text in texts) for one in (source, target, merged)
    ]
    if told[0] + told[1] == told[2]:
        sys.stdout.write(f"the sanity checker says what it said in both: {sum(told[2].values())} messages\n")
        return 0
    sys.stdout.write(f"the sanity checker said {dict(told[0])} and {dict(told[1])}, and now says {dict(told[2])}\n")
    return 1


def _kept(row: dict[str, Any]) -> dict[str, Any]:
    """Without what paperless counts from other columns, and the names that files go by."""
    return {name: value for name, value in row.items() if not name.startswith("tn_") or name == "tn_parent"} | {
        name: None for name in ("filename", "archive_filename") if name in row
    }


def _text(row: dict[str, Any]) -> str:
    return json.dumps(_kept(row), sort_keys=True, ensure_ascii=False)


def _first_difference(before: dict[str, Any] | None, after: dict[str, Any] | None) -> str:
    if before is None or after is None:
        return "is new" if before is None else "is gone"
    name = next(name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name))
    return f"{name} was {str(before.get(name))[:120]}, is {str(after.get(name))[:120]}"


def _read(path: Path) -> Any:
    return json.loads(path.read_text())


def _verdict(wrong: list[str], rows: Rows) -> int:
    by_model = Counter(line.split(":")[0].rsplit(" ", 1)[0] for line in wrong)
    for name, count in by_model.most_common():
        sys.stdout.write(f"{count:6,} wrong: {name}\n")
        for line in [line for line in wrong if line.startswith(name)][:SHOWN]:
            sys.stdout.write(f"         {line}\n")
    count = sum(len(one) for one in rows.values())
    hidden = sum(len(fields) for fields in HIDDEN.values())
    sys.stdout.write(
        f"{count:,} rows of {len(rows)} models, with {hidden} columns of hidden references: {len(wrong)} wrong\n"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
