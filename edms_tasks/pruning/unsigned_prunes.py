"""What can be said of prunes where nothing is signed: whoever can write to the repository can have written their records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edms_tasks.count_text import count_text
from edms_tasks.repository.audit_log import LogEntry
from edms_tasks.repository.records import Record, Records


def notes_on_unsigned_prunes(records: Records, entries: Sequence[LogEntry]) -> tuple[str, ...]:
    """Sentences for an auditor: how many removals nobody signed, and each that the log knows nothing of."""
    prunes = {name: one for name, one in records.by_id.items() if one.kind == "pruned" and one.snapshots}
    if not prunes:
        return ()
    removed = {snapshot.id for one in prunes.values() for snapshot in one.snapshots}
    first, last = (min(one.at for one in prunes.values()), max(one.at for one in prunes.values()))
    said = (
        f"Nothing is signed here: that {count_text(len(removed), 'snapshot')} {'was' if len(removed) == 1 else 'were'} removed by "
        f"{count_text(len(prunes), 'prune')} ({first:%Y-%m-%d} to {last:%Y-%m-%d}) and not by somebody else is only what unsigned "
        "records say. A second copy that others cannot write to still tells."
    )
    unknown = _unknown_to_the_log(prunes, entries)
    return (
        said,
        *(
            f"! A record says that {one.by} on {one.host} pruned {count_text(len(one.snapshots), 'snapshot')} on "
            f"{one.at:%Y-%m-%d %H:%M} UTC ({', '.join(snapshot.id[:12] for snapshot in one.snapshots[:5])}), and the log has no such "
            "prune: it was killed before it wrote to the log, or somebody removed the snapshots and forged the record. Ask that person."
            for one in unknown
        ),
    )


def _unknown_to_the_log(prunes: dict[str, Record], entries: Sequence[LogEntry]) -> Iterable[Record]:
    logged = [entry for entry in entries if entry.event == "prune"]
    named = {name for entry in logged for name in _records_of(entry)}
    for name, record in prunes.items():
        if name in named:
            continue
        entry = next((one for one in logged if one.at >= record.at), None)
        # An entry of an earlier release does not name its records, only how many snapshots went.
        if entry is None or "records" in entry.facts or entry.facts.get("removed") != len(record.snapshots):
            yield record


def _records_of(entry: LogEntry) -> list[str]:
    """The records that an entry names; anybody may have written it."""
    said = entry.facts.get("records")
    return [name for name in said if isinstance(name, str)] if isinstance(said, list) else []
