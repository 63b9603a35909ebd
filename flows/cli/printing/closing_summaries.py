"""Print the closing summary of each command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich import filesize

from edms_tasks.count_text import count_text
from flows.cli.printing.layout import line, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from edms_tasks.inventory.model import Finding
    from edms_tasks.manifest import Manifest, TableEntry
    from edms_tasks.repository.seen_whole import Ages
    from flows.backing_up.backup_result import BackupResult
    from flows.inspection import Inspection
    from flows.listing import Listing
    from flows.restoring.restore_result import RestoreResult
    from flows.rollback import RollbackResult, WaysBack
    from flows.verify import VerifyResult

_SEVERITY = {"error": "✗", "warning": "!", "info": "·"}
_FINDINGS_SHOWN = 20
_PROBLEMS_SHOWN = 20


def print_backup(console: Console, result: BackupResult) -> None:
    """Print the snapshot, its contents, the findings, and whether it was verified."""
    manifest = result.manifest
    line(console, f"snapshot  {result.snapshot_id}" + (f"  tag {manifest.tag}" if manifest.tag else ""))
    line(console, f"holds     {_contents(manifest)}, {filesize.decimal(result.stored_bytes)} stored")
    print_findings(console, manifest.findings)
    for note in result.notes:
        line(console, f"! {note}")
    print_seconds(console, result.seconds)
    if result.witness is not None:
        line(console, f"log       {result.witness}")
    if result.verified:
        line(console, f"✓ verified: {_read_again(result)}")
    elif result.not_read_back:
        line(console, f"! written, and NOT READ BACK: {result.not_read_back}")
        line(console, "  Run `edms-backup verify` where the recovery key is, with credentials that may read.")
    else:
        line(console, "✗ NOT VERIFIED: do not rely on this snapshot")
        print_problems(console, result.problems)


def print_restore(console: Console, result: RestoreResult) -> None:
    """Print the verdict, where the data is now, and where the evidence is."""
    for note in result.notes:
        line(console, f"· {note}")
    print_seconds(console, result.seconds)
    found = f"{result.rows:,} rows and {result.files:,} files"
    if result.verdict == "proved":
        erased = any(one.found for one in result.erasures)
        but = ", without what was erased since" if erased else ""
        line(console, f"✓ proved: {found} equal snapshot {result.snapshot_id[:12]}{but}")
        if result.left_out:
            line(console, f"left out  {', '.join(one.label for one in result.left_out)}: not converted, see above")
        if result.not_rebuilt:
            line(console, f"✗ derived tables were not rebuilt: run {', '.join(result.not_rebuilt)} in the EDMS")
    elif result.verdict == "masked" and result.masking is not None:
        line(console, f"✓ masked: {result.masking.verdict}")
        for column in result.masking.columns:
            line(console, f"masked    {column}")
    elif result.masking is not None and result.masking.hits:
        line(console, "✗ THE COPY HELD ORIGINAL VALUES and was removed; the live system was not touched")
        print_problems(console, result.failures)
    elif result.verdict == "salvaged" and result.losses is not None:
        lost = f"lost: {count_text(result.losses.rows, 'row')}, {count_text(result.losses.file_count, 'file')}"
        line(
            console,
            f"✗ SALVAGED, not complete: {found} of snapshot {result.snapshot_id[:12]} are restored and proved; {lost}",
        )
        print_problems(console, result.losses.sentences())
    else:
        line(
            console,
            f"✗ NOT PROVED: {count_text(len(result.failures), 'check')} failed; the live system was not touched",
        )
        print_problems(console, result.failures)
    if result.code_migration is not None and result.code_migration.dropped:
        line(
            console,
            f"! dropped after validation, as requested: {result.code_migration.dropped_in_short()}; the report lists all",
        )
    if result.promoted:
        line(console, f"now live  {result.target}")
        if result.previous:
            line(console, f"before    kept as {result.previous}; `edms-backup rollback` swaps it back")
    elif result.verdict != "failed":
        line(console, f"kept as   {result.target}")
    line(console, f"report    {result.report_html}")
    for name, lines in ((result.losses.lists or {}) if result.losses else {}).items():
        line(console, f"list      {result.report_html.parent / name} ({lines:,})")
    line(console, f"data docs {result.data_docs}")


def print_rollback(console: Console, result: RollbackResult) -> None:
    """Print what is live again, what was set aside, and how to undo the rollback."""
    for note in result.notes:
        line(console, f"note          {note}")
    line(console, f"✓ live again  {result.database}")
    line(console, f"that is       {result.what}")
    line(console, f"set aside     {result.set_aside}; `edms-backup rollback {result.stamp}` brings it back")


def print_ways_back(console: Console, ways: WaysBack) -> None:
    """Print what is live and what can be rolled back to, the latest first."""
    line(console, f"live  {ways.live}: {ways.now}")
    for way in ways.ways:
        default = "  (without a stamp: this)" if way.default else ""
        line(console, f"{way.stamp}  {way.what}{default}")
        line(console, f"      {way.database}")
        for _, previous in way.folders:
            line(console, f"      {previous or 'no folder of files'}")
    if not ways.ways:
        line(console, "There is nothing to roll back to.")


def print_verify(console: Console, result: VerifyResult) -> None:
    """Print what was read and what was wrong."""
    snapshots, objects = count_text(len(result.snapshot_ids), "snapshot"), count_text(result.objects, "object")
    read = f"{snapshots}, {objects}, {filesize.decimal(result.bytes)}"
    for note in result.notes:
        line(console, f"! {note}")
    if result.success and result.level == "structure":
        line(console, f"✓ structure verified: {snapshots}; every object is there, and none was read")
    elif result.success and result.level == "sample":
        line(
            console,
            f"✓ structure verified, and {objects}, {filesize.decimal(result.bytes)} of {snapshots} read again and correct",
        )
    elif result.success:
        line(console, f"✓ verified: {read} read again and correct")
    elif not result.problems:
        line(console, "✗ there is no snapshot to verify")
    else:
        line(console, f"✗ DAMAGED: {count_text(len(result.problems), 'problem')} in {read}")
        print_problems(console, result.problems)
    print_ages(console, result.ages)


def print_ages(console: Console, ages: Ages) -> None:
    """Print how long ago the objects were read whole, by runs on this machine."""
    if ages.problem:
        line(console, f"! when objects were last read is not known: {ages.problem}")
    elif ages.oldest is not None:
        days = max(0, (datetime.now(UTC) - ages.oldest).days)
        since = "today" if not days else "yesterday" if days == 1 else f"{ages.oldest:%Y-%m-%d}, {days} days ago"
        never = f"{count_text(ages.never, 'object')} never from here, the others" if ages.never else "every object"
        line(console, f"read      {never} since {since}")
    elif ages.never:
        line(console, f"read      {count_text(ages.never, 'object')} never from here")


def print_listing(console: Console, listing: Listing) -> None:
    """Print a line per snapshot, oldest first, then what is missing or uncertain."""
    for problem in listing.problems:
        line(console, f"✗ {problem}")
    for note in listing.notes:
        line(console, f"! {note}")
    if not listing.snapshots and not listing.damaged:
        whose = " of this EDMS" if listing.others or listing.problems else ""
        line(console, f"The repository has no snapshot{whose} yet. Make one with `edms-backup backup`.")
    elif listing.snapshots:
        headings = (">no.", "snapshot", "created (UTC)", "tag", ">tables", ">rows", ">files", ">bytes", ">findings")
        rows = [
            (
                str(found.number or ""),
                found.id[:12],
                f"{found.created:%Y-%m-%d %H:%M:%S}"
                + (" (earlier than the one before)" if found.earlier_than_the_one_before else ""),
                ", ".join(
                    (
                        *found.tags,
                        *(["held"] if found.holds else []),
                        *([f"from {found.converted}"] if found.converted else []),
                    )
                ),
                f"{found.tables:,}",
                f"{found.rows:,}",
                f"{found.files:,}",
                filesize.decimal(found.bytes),
                str(found.findings),
                *((found.edms,) if listing.all else ()),
            )
            for found in listing.snapshots
        ]
        print_table(console, (*headings, *(("EDMS",) if listing.all else ())), rows)
        backups = sum(found.converted is None for found in listing.snapshots)
        if backups < listing.expected and not listing.all:
            line(console, f"✗ {backups} of {listing.expected} snapshots are there")
        for found in listing.snapshots:
            for hold in found.holds:
                line(console, f"held      {found.id[:12]} by {hold}")
        if listing.pruned and not listing.all:
            line(console, f"pruned    {count_text(listing.pruned, 'earlier snapshot')}")
    print_ages(console, listing.ages)
    for name in listing.damaged:
        line(console, f"✗ {name[:12]}  its manifest is damaged; keep the file for analysis")
    if listing.others and not listing.all:
        line(console, "The repository has snapshots of other EDMSs too: `edms-backup list --all`")


def print_snapshot(console: Console, snapshot_id: str, manifest: Manifest, notes: Sequence[str] = ()) -> None:
    """Print one snapshot: tables, files, findings."""
    for note in notes:
        line(console, f"! {note}")
    line(console, f"snapshot  {snapshot_id}" + (f"  tag {manifest.tag}" if manifest.tag else ""))
    line(console, f"created   {manifest.created:%Y-%m-%d %H:%M:%S} UTC")
    line(
        console,
        f"EDMS      {manifest.edms.settings_module}, Django {manifest.edms.django}, Python {manifest.edms.python}",
    )
    line(console, f"database  {manifest.engine} {manifest.native_schema.server_version}")
    line(console, f"holds     {_contents(manifest)}")
    line(console, f"made by   {_versions(manifest)}")
    print_findings(console, manifest.findings, shown=None)
    headings = ("model or table", ">rows", "proof", ">bytes", ">dangling", "natural key")
    tables = [
        (
            entry.table.label,
            f"{entry.state.rows:,}",
            entry.state.fingerprint[:12],
            filesize.decimal(entry.stored_bytes),
            f"{sum(reference.dangling for reference in entry.state.references):,}",
            _key_text(entry),
        )
        for entry in manifest.tables
    ]
    print_table(console, headings, tables)
    roots = [
        (index.root.name, index.root.path, f"{index.files:,}", filesize.decimal(index.bytes), index.digest[:12])
        for index in manifest.files
    ]
    print_table(console, ("files of", "folder", ">files", ">bytes", "digest"), roots)


def print_inspection(console: Console, inspection: Inspection) -> None:
    """Print the inventory: models, rows, keys, references, file roots, migration state."""
    inventory = inspection.inventory
    print_findings(console, inventory.findings, shown=None)
    rows = []
    for entry in inventory.tables:
        best = entry.key_candidates[0] if entry.key_candidates else None
        key = f"{best.readable or ', '.join('.'.join(path) for path in best.paths)} ({best.source})" if best else "none"
        references = ", ".join(reference.name for reference in entry.references)
        counted = inspection.rows.get(entry.id)
        number = "?" if counted is None else f"{counted:,}"
        rows.append((entry.label, number, str(len(entry.columns)), key, references))
    print_table(console, ("model or table", ">rows", ">columns", "natural key", "references"), rows)
    for root in inventory.file_roots:
        line(
            console,
            f"files of {root.name}: {root.path}" + (f" (used by {', '.join(root.used_by)})" if root.used_by else ""),
        )
    edms = inventory.edms
    applied = f"{count_text(len(edms.migrations_applied), 'migration')} applied"
    behind = inspection.migrations_unapplied
    missing = f"{len(behind)} NOT applied: {', '.join(behind[:5])}" if behind else "none missing"
    line(console, f"migrations: {applied}, {missing}")
    line(console, f"database: {inspection.database}")


def print_findings(console: Console, findings: Sequence[Finding], shown: int | None = _FINDINGS_SHOWN) -> None:
    """Print findings, the most severe first."""
    if not findings:
        return
    line(console, f"{count_text(len(findings), 'finding')}:")
    order = list(_SEVERITY)
    ranked = sorted(findings, key=lambda finding: order.index(finding.severity))
    for finding in ranked[:shown]:
        count = f" ({finding.count:,})" if finding.count != 1 else ""
        line(console, f"  {_SEVERITY[finding.severity]} {finding.subject}: {finding.message}{count}")
    _and_more(console, len(ranked), shown, "`edms-backup show` lists them")


def print_problems(console: Console, problems: Sequence[str]) -> None:
    """Print the failures by name."""
    for problem in problems[:_PROBLEMS_SHOWN]:
        line(console, f"  ✗ {problem}")
    _and_more(console, len(problems), _PROBLEMS_SHOWN, "--json lists them")


def print_seconds(console: Console, seconds: Mapping[str, float]) -> None:
    """Print how long each stage took."""
    if seconds:
        line(console, "seconds   " + ", ".join(f"{stage} {taken:.1f}" for stage, taken in seconds.items()))


def _read_again(result: BackupResult) -> str:
    if not result.objects_unread:
        return f"all {count_text(result.objects_read, 'object')} were read again and are right"
    return (
        f"{count_text(result.objects_read, 'object')} were read again and are right; {result.objects_unread:,} of earlier backups "
        "were not (`edms-backup verify` reads all)"
    )


def _contents(manifest: Manifest) -> str:
    files = sum(index.files for index in manifest.files)
    rows, tables = count_text(manifest.rows, "row"), count_text(len(manifest.tables), "table")
    return f"{rows} in {tables}, {count_text(files, 'file')}"


def _versions(manifest: Manifest) -> str:
    """The programs that wrote the snapshot; our own version first, because a restore needs it."""
    ours = manifest.versions.get("edms-backup")
    others = [f"{name} {version}" for name, version in manifest.versions.items() if name != "edms-backup"]
    return ", ".join([f"edms-backup {ours}" if ours else "edms-backup (version not recorded)", *others])


def _key_text(entry: TableEntry) -> str:
    if entry.natural_key is None:
        return "none"
    return entry.natural_key.readable or entry.natural_key.source


def _and_more(console: Console, number: int, shown: int | None, where: str) -> None:
    if shown is not None and number > shown:
        line(console, f"  … and {number - shown} more; {where}")
