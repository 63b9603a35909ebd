"""The numbers of rows that an old backup's own metadata names, compared with those that it holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.legacy.source import Source

_EXAMPLES = 5
_LONGEST = 4 << 20


def metadata_beside(source: Source) -> tuple[dict[str, Any], list[Finding]]:
    """What stands in the `…_metadata.json` beside a file, empty if there is none, and the finding if it cannot be read."""
    beside = source.path.with_name(source.path.name.split(".")[0] + "_metadata.json")
    if source.is_folder or beside == source.path or not beside.is_file():
        return {}, []
    with beside.open("rb") as stream:
        text = stream.read(_LONGEST)
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        said = None
    if isinstance(said, dict):
        return said, []
    what = "What the backup says of itself cannot be read: its numbers of rows were not compared."
    return {}, [make_finding("old-rows-damaged", beside.name, what)]


def number_in(value: Any) -> int | None:
    """A number that metadata holds, also as a text; None if it is none."""
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        return int(value.strip()[:18])
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def rows_differ(said: Mapping[str, Any], counts: Mapping[str, int]) -> list[Finding]:
    """The findings on rows whose number is another than the backup's metadata says."""
    found = []
    models = said.get("model_counts")
    if isinstance(models, dict):
        wrong = {
            str(model): (number_in(count), counts.get(str(model).lower(), 0))
            for model, count in models.items()
            if number_in(count) != counts.get(str(model).lower(), 0)
        }
        if wrong:
            shown = tuple(
                f"{model[:100]}: {'no number' if was is None else f'{was:,}'} by the metadata, {now:,} found"
                for model, (was, now) in list(wrong.items())[:_EXAMPLES]
            )
            found.append(make_finding("old-counts-differ", "rows", count=len(wrong), examples=shown))
    elif models is not None:
        found.append(make_finding("old-counts-differ", "rows", "model_counts of the metadata cannot be read."))
    total = number_in(said.get("total_records"))
    if total is None and said.get("total_records") is not None:
        found.append(make_finding("old-counts-differ", "rows", "total_records of the metadata is no number."))
    if total is not None and total != sum(counts.values()) and not found:
        what = f"The metadata names {total:,} rows; {sum(counts.values()):,} were found."
        found.append(make_finding("old-counts-differ", "rows", what, count=abs(total - sum(counts.values()))))
    return found
