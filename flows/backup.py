"""Backup: inspect → check keys → extract → serialize → package → verify, composed once for every way of running it.

`compose_backup` is called by the command line and by the Prefect flow alike; only the `Steps` differ.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from pathlib import Path

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.digests.table_state import empty_state
from edms_tasks.errors import DatabaseRefused, NoSpace, SettingsError, UnappliedMigrations
from edms_tasks.extract import RawTable
from edms_tasks.files import find_file_problems, index_files
from edms_tasks.files.ids_in_names import findings_of, measure_file_names
from edms_tasks.incremental.previous import Previous
from edms_tasks.inventory.build import build_inventory, excluded_tables
from edms_tasks.inventory.inspect import run_probe
from edms_tasks.inventory.model import FileRoot, Finding, ForeignReference, Inventory, ProbeReport, Table
from edms_tasks.keys.checked_keys import CheckedKeys, check_keys
from edms_tasks.lineage.owner import asker_of
from edms_tasks.lineage.placing import SnapshotPlace
from edms_tasks.lineage.reopening import reopen
from edms_tasks.lineage.tags import check_tag
from edms_tasks.manifest import FileIndex, TableEntry
from edms_tasks.package import store_schema, store_table, write_manifest
from edms_tasks.repository import Repository
from edms_tasks.scratch.disk_space import require_space
from edms_tasks.scratch.run_folder import run_folder
from edms_tasks.scratch.workspace import open_workspace
from edms_tasks.serialize import SerializedTable, serialize_table
from edms_tasks.settings import Settings
from flows.backing_up.conclusion import ROW_INDEXES, BackupResult, Conclusion
from flows.backing_up.foresee_restore import foresee_restore
from flows.live.folder_checks import immovable, require_separate
from flows.live.live_target import Together, read_together
from flows.running.runner import Steps
from flows.running.stopping import when_stopped
from flows.tasks.extract_tables import read_tables

_PART_WRITTEN = (
    "No snapshot was made. What was written so far is used or removed by the next backup; the lock is released."
)


def compose_backup(
    settings: Settings,
    steps: Steps,
    *,
    tag: str | None = None,
    ask: Callable[[Settings], ProbeReport] = run_probe,
    by_a_merge: bool = False,
    create_repository: bool = False,
    accept_repository: bool = False,
) -> BackupResult:
    """Make a snapshot and read it back.

    Args:
        settings: of this EDMS.
        steps: how to run and tell.
        tag: a name for the snapshot.
        ask: how to have the EDMS's report on itself; whoever asked before hands the answer in.
        by_a_merge: whether this is the safety snapshot of a merge.
        create_repository: make a repository where there is none, though one was used before.
        accept_repository: go on with the one that is there, though it is another one or an older copy.

    Raises:
        CommandError: this cannot be a tag.
        SettingsError: repository, working folder and folders of files lie in each other.
        AnotherRepository: the repository is not the one that was used before.
        EdmsNotImportable, DatabaseRefused, UnappliedMigrations, RepositoryLocked, NoSpace: before anything is stored.
    """
    if tag is not None:
        check_tag(tag, by_a_merge=by_a_merge)
    with steps.stage("inspect"):
        report = steps.run("inspect the EDMS", lambda: ask(settings))
        address = DatabaseAddress.from_probe(report.databases[0])
        database = open_database(address)
        steps.run("check the database", database.check, retries=2)
        require_separate(settings, report)
        database.check_source(settings.workdir)
        _require_migrated(report, settings)
        asker = asker_of(settings, report)
        reopened = reopen(settings, asker, create=create_repository, accept=accept_repository)
    for note in reopened.notes:
        steps.say(note)

    conclusion = Conclusion(settings, steps, reopened, asker)
    with (
        conclusion.keeping_what_was_made(),
        reopened.repository.lock("backup"),
        run_folder(settings.workdir, "backup") as folder,
        read_together(settings, steps, database, report) as together,
    ):
        try:
            _snapshot(settings, steps, conclusion, report, folder, tag, together)
        except OSError as error:
            raise _no_space_or(error, folder) from error
    return conclusion.result()


def _snapshot(
    settings: Settings,
    steps: Steps,
    conclusion: Conclusion,
    report: ProbeReport,
    folder: Path,
    tag: str | None,
    together: Together,
) -> None:
    repository = conclusion.repository
    database = open_database(DatabaseAddress.from_probe(report.databases[0]))
    # Under the lock: nobody else adds a snapshot until this one stands.
    place = conclusion.find_place()
    findings: list[Finding] = [*place.findings, *immovable(settings, report)]
    with database.view(folder, settings.jobs) as view:
        with steps.stage("check keys"):
            inventory = steps.run(
                "read the catalogue", lambda: build_inventory(report, view.tables(), settings, database.address.engine)
            )
            findings += [*inventory.findings, *view.findings()]
            excluded = excluded_tables(inventory, settings)
            _require_closed(inventory, excluded)
            findings += [_excluded_finding(inventory.table(table_id)) for table_id in sorted(excluded)]
            kept = [table for table in inventory.tables if table.id not in excluded]
        # Each table's rows stand there raw, and compressed beside it until they are in the repository.
        require_space(folder, view.raw_bytes(kept) * 5 // 4, "the rows of the database")
        with steps.stage("extract"):
            raws = read_tables(settings, steps, view, kept, folder / "raw", "extract")
            captured = steps.run("capture the schema", lambda: view.capture_schema(folder / "schema"))
            sequences = steps.run("read the sequences", view.sequences)

    with steps.stage("extract"):  # the view is closed: production is kept from nothing meanwhile
        findings += foresee_restore(settings, steps, database, captured, folder)

    # Tables are serialized side by side, each by one thread: several threads for each would double the memory, no more.
    with open_workspace(folder / "workspace", memory_limit_mb=settings.memory_limit_mb, threads=1) as workspace:
        with steps.stage("serialize"):
            with workspace.threads(settings.jobs):
                keys = steps.run("prove the natural keys", lambda: check_keys(inventory.tables, raws, workspace))
            findings += keys.findings
            previous = _previous(settings, place)
            serialized, unusable = _serialize(settings, steps, repository, kept, raws, keys, previous, folder)
            findings += unusable

        # What fails before this line has left no trace in the repository.
        when_stopped(_PART_WRITTEN)
        run = repository.begin()
        with steps.stage("package"):
            schema = steps.run("store the schema", lambda: store_schema(repository, inventory.engine, captured))
            entries = steps.map(
                lambda pair: f"store {pair[0].label}",
                lambda pair: store_table(repository, *pair),
                list(zip(kept, serialized, strict=True)),
                jobs=settings.jobs,
                retries=2,
            )
            entries += [_empty_entry(inventory.table(table_id)) for table_id in sorted(excluded)]
        with steps.stage("files"):
            indexes, file_findings = _store_files(settings, steps, repository, inventory, previous, folder)
            findings += file_findings
            together.release()
            findings += steps.run(
                "match files and rows",
                lambda: find_file_problems(
                    kept, raws, indexes, repository, declared=inventory.file_names, scratch=folder
                ),
            )
            named = {index.root.name: index for index in indexes}
            file_names = steps.run(
                "look up the ids in names of files",
                lambda: measure_file_names(inventory.file_names, named, repository, keys, folder),
            )
            findings += findings_of(file_names)
        with steps.stage("package"):
            conclusion.made = steps.run(
                "write the manifest",
                lambda: write_manifest(
                    repository,
                    inventory,
                    place,
                    tag=tag,
                    schema=schema,
                    sequences=sequences,
                    entries=entries,
                    files=indexes,
                    file_names=file_names,
                    findings=findings,
                    seconds=steps.seconds,
                ),
            )

    snapshot_id, _ = conclusion.made
    when_stopped(
        f"Snapshot {snapshot_id[:12]} is written, and was not read again: `edms-backup verify {snapshot_id[:12]}` does that."
    )
    conclusion.conclude(run, folder, previous, {table.table_id: table for table in serialized})


def _serialize(
    settings: Settings,
    steps: Steps,
    repository: Repository,
    tables: Sequence[Table],
    raws: dict[str, RawTable],
    keys: CheckedKeys,
    previous: Previous | None,
    folder: Path,
) -> tuple[list[SerializedTable], list[Finding]]:
    findings: list[Finding] = []

    def serialize(pair: tuple[int, Table]) -> SerializedTable:
        number, table = pair
        raw, stored = raws[table.id], None
        if previous is not None and raw.rows:
            with keys.workspace.cursor() as cursor:
                stored, unusable = previous.find(
                    repository,
                    table,
                    keys.keys[table.id].natural_key,
                    raw.encodings,
                    {column.name: keys.types[table.id][column.name] for column in table.columns},
                    cursor=cursor,
                    scratch=folder / "stored" / f"{number:04d}",
                    chunk_rows=settings.chunk_rows,
                )
            findings.extend(unusable)
        return serialize_table(table, raw, keys, folder / "serialized" / f"{number:04d}", settings.chunk_rows, stored)

    serialized = steps.map(
        lambda pair: f"serialize {pair[1].label}",
        serialize,
        list(enumerate(tables)),
        jobs=settings.jobs,
        weight=lambda pair: raws[pair[1].id].bytes,
    )
    return serialized, sorted(findings, key=lambda finding: finding.subject)


def _store_files(
    settings: Settings,
    steps: Steps,
    repository: Repository,
    inventory: Inventory,
    previous: Previous | None,
    folder: Path,
) -> tuple[list[FileIndex], list[Finding]]:
    known = {index.root.name: index for index in previous.manifest.files} if previous else {}
    indexes: list[FileIndex] = []
    findings: list[Finding] = []
    for root in inventory.file_roots:
        index, found = steps.run(
            f"store the files of {root.name}",
            lambda root=root: _store_root(settings, steps, repository, root, known, folder),
        )
        indexes.append(index)
        findings += found
    return indexes, findings


def _store_root(
    settings: Settings,
    steps: Steps,
    repository: Repository,
    root: FileRoot,
    previous: dict[str, FileIndex],
    folder: Path,
) -> tuple[FileIndex, tuple[Finding, ...]]:
    with steps.progress(f"files of {root.name}", 0) as advance:
        return index_files(
            root,
            repository,
            exclude=settings.exclude.files,
            previous=previous.get(root.name),
            scratch=folder,
            progress=advance,
            jobs=settings.jobs,
        )


def _previous(settings: Settings, place: SnapshotPlace) -> Previous | None:
    if place.base is None:
        return None
    return Previous(place.base[0], place.base[1], settings.workdir / ROW_INDEXES)


def _require_migrated(report: ProbeReport, settings: Settings) -> None:
    if report.database_error:
        raise DatabaseRefused(
            "The EDMS cannot reach its database.",
            where=DatabaseAddress.from_probe(report.databases[0]).display,
            why=report.database_error,
            fix="Start the server, or mend DATABASES in the EDMS's settings.",
        )
    if report.migrations_unapplied and settings.edms.unapplied_migrations == "refuse":
        names = ", ".join(f"{app}.{name}" for app, name in report.migrations_unapplied[:5])
        raise UnappliedMigrations(
            f"{len(report.migrations_unapplied)} migrations of the EDMS are not applied.",
            where=DatabaseAddress.from_probe(report.databases[0]).display,
            why=names,
            fix='Run `manage.py migrate` first, or set [edms] unapplied_migrations = "record" to back up the database as it is.',
        )


def _require_closed(inventory: Inventory, excluded: frozenset[str]) -> None:
    """Leaving a table out must not leave enforced references of others hanging: that backup could not be restored."""
    for table in inventory.tables:
        if table.id in excluded:
            continue
        for reference in table.references:
            left_out = excluded.intersection(reference.targets) if isinstance(reference, ForeignReference) else ()
            if isinstance(reference, ForeignReference) and reference.enforced and left_out:
                target = inventory.table(min(left_out))
                raise SettingsError(
                    f"{target.label} cannot be left out: {table.label} refers to it.",
                    where="[exclude] tables",
                    fix=f"Leave {table.label} out too, or keep {target.label}.",
                )


def _excluded_finding(table: Table) -> Finding:
    return Finding(
        code="excluded",
        severity="info",
        subject=table.label,
        message="Left out by the settings; it comes back empty.",
    )


def _empty_entry(table: Table) -> TableEntry:
    return TableEntry(
        table=table,
        natural_key=None,
        encodings={column.name: "native" for column in table.columns},
        state=empty_state(table),
        chunks=(),
    )


def _no_space_or(error: OSError, folder: Path) -> BaseException:
    if error.errno == errno.ENOSPC:
        return NoSpace(
            "The disk is full.", where=str(folder), fix="Free some space, or point `workdir` at a larger disk."
        )
    return error
