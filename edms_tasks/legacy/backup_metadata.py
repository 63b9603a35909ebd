"""What an old backup says of itself: read from its JSON, shown to people, and its numbers of rows compared with those that it holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.json_text import parsed_json
from edms_tasks.legacy.source import Source

_EXAMPLES = 5
_LONGEST = 4 << 20
_SHOWN = 200
_UNREADABLE = "What the backup says of itself cannot be read."


def metadata_object(text: bytes) -> dict[str, Any] | None:
    """The JSON object that metadata is; None if the text is none."""
    try:
        said = parsed_json(text)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def read_metadata(text: bytes, name: str) -> tuple[dict[str, Any], list[Finding]]:
    """What metadata says, empty if it cannot be read, and the finding on that."""
    said = metadata_object(text)
    return ({}, [make_finding("old-rows-damaged", name, _UNREADABLE)]) if said is None else (said, [])


def facts_in(said: Mapping[str, Any], names: Iterable[str]) -> dict[str, str]:
    """What metadata says under these names, in one line each; metadata may hold anything else too, passwords included."""
    found = {name: " ".join(str(said[name]).split()) for name in names if isinstance(said.get(name), (str, int, float))}
    return {name: text[:_SHOWN] for name, text in found.items() if text}


def metadata_beside(source: Source) -> tuple[dict[str, Any], list[Finding]]:
    """What stands in the `…_metadata.json` beside a file, empty if there is none, and the finding if it cannot be read."""
    beside = source.path.with_name(source.path.name.split(".")[0] + "_metadata.json")
    if source.is_folder or beside == source.path or not beside.is_file():
        return {}, []
    with beside.open("rb") as stream:
        said = metadata_object(stream.read(_LONGEST))
    if said is not None:
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
