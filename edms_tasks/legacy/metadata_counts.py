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


def metadata_beside(source: Source) -> dict[str, Any]:
    """What stands in the `…_metadata.json` beside a file; empty if there is none that can be read."""
    beside = source.path.with_name(source.path.name.split(".")[0] + "_metadata.json")
    if source.is_folder or beside == source.path or not beside.is_file() or beside.stat().st_size > _LONGEST:
        return {}
    try:
        said = json.loads(beside.read_bytes())
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def rows_differ(said: Mapping[str, Any], counts: Mapping[str, int]) -> list[Finding]:
    """The findings on rows whose number is another than the backup's metadata says."""
    found = []
    models = said.get("model_counts")
    if isinstance(models, dict):
        wrong = {
            str(model): (count, counts.get(str(model).lower(), 0))
            for model, count in models.items()
            if isinstance(count, int) and count != counts.get(str(model).lower(), 0)
        }
        if wrong:
            shown = tuple(
                f"{model}: {was:,} by the metadata, {now:,} found"
                for model, (was, now) in list(wrong.items())[:_EXAMPLES]
            )
            found.append(make_finding("old-counts-differ", "rows", count=len(wrong), examples=shown))
    total = said.get("total_records")
    if isinstance(total, int) and total != sum(counts.values()) and not found:
        what = f"The metadata names {total:,} rows; {sum(counts.values()):,} were found."
        found.append(make_finding("old-counts-differ", "rows", what, count=abs(total - sum(counts.values()))))
    return found
