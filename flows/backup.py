"""Backup: inspect → check keys → extract → serialize → package → verify."""

from __future__ import annotations

from edms_tasks.lineage.snapshot_tags import check_tag
from flows.backing_up.backup_result import BackupResult
from flows.backing_up.make_snapshot import BackupSource, inspect_source, making_a_snapshot
from flows.backing_up.preflight_restore import preflight_restore
from flows.backing_up.store_folders import store_folders
from flows.backing_up.table_selection import choose_contents
from flows.evidence.repository_log import logged
from flows.hooks.with_hooks import with_hooks
from flows.requests import BackupRequest
from flows.running.flow_decorators import flow
from flows.running.run import Run
from flows.running.with_workers import with_workers
from flows.tasks.extract_tasks import capture_schema, extract_tables, read_sequences
from flows.tasks.package_tasks import package_config_files, package_schema, package_table, write_the_manifest
from flows.tasks.serialize_tasks import serialize_tables


@flow(
    name="edms-backup",
    flow_run_name="backup {tag}",
    description="Makes a snapshot of the EDMS and reads it back.",
    repeatable=True,
)
@with_hooks("backup")
@logged("backup")
@with_workers
def backup(run: Run, request: BackupRequest) -> BackupResult:
    """Make a snapshot, and read it back to verify it.

    Raises:
        CommandError: the tag is not allowed.
        SettingsError: repository, working folder and folders of files are inside each other.
        AnotherRepository: the repository is not the one that was used before.
        EdmsNotImportable, DatabaseRefused, UnappliedMigrations, RepositoryLocked, NoSpace: before anything is stored.
    """
    if request.tag is not None:
        check_tag(request.tag)
    return make_snapshot(run, request)


def make_snapshot(run: Run, request: BackupRequest) -> BackupResult:
    """Make a snapshot whose tag has been checked; a merge makes its safety snapshot with it."""
    with run.stage("inspect"):
        source = inspect_source(run, request)
    return make_snapshot_of(run, source, request.tag)


def make_snapshot_of(run: Run, source: BackupSource, tag: str | None) -> BackupResult:
    """Make a snapshot of an inspected EDMS, or of an old backup that was loaded into a database."""
    with run.runner.tagged(source.engine), making_a_snapshot(run, source) as making:
        with source.database.view(making.folder, run.settings.jobs) as view:
            with run.stage("check keys"):
                contents = choose_contents(run, source, view, making)
            with run.stage("extract"):
                raws = extract_tables(run, view, contents.kept, making.folder / "raw")
                schema = run.call(capture_schema, view, making.folder / "schema")
                sequences = run.call(read_sequences, view)
        with run.stage("extract"):  # the database's view is closed by now, so production is not held up
            making.findings += preflight_restore(run, source.database, schema, making.folder)

        with run.workspace(making.folder / "workspace", threads=1) as workspace:
            with run.stage("serialize"):
                serialized = serialize_tables(
                    run,
                    making.repository,
                    contents.inventory,
                    contents.kept,
                    raws,
                    making.previous,
                    workspace,
                    making.folder,
                )
                making.findings += [*serialized.findings, *making.unusable(contents.kept, serialized.tables)]

            making.begin()  # before this line nothing is written to the repository
            with run.stage("package"):
                stored_schema = run.call(package_schema, making.repository, source.engine, schema)
                pairs = list(zip(contents.kept, serialized.tables, strict=True))
                entries = [*run.map(package_table, pairs, making.repository), *contents.left_out]
            with run.stage("files"):
                stored = store_folders(run, source, making, contents, raws, serialized.keys, workspace)
            with run.stage("package"):
                config_files, unread = run.call(
                    package_config_files, making.repository, source.config_files(run.settings)
                )
                making.findings += unread
                making.made = run.call(
                    write_the_manifest,
                    making.repository,
                    contents.inventory,
                    making.place,
                    tag=tag,
                    schema=stored_schema,
                    sequences=sequences,
                    entries=entries,
                    files=stored.indexes,
                    config_files=config_files,
                    file_names=stored.file_names,
                    path_columns=stored.path_columns,
                    findings=making.findings,
                    sensitive=run.settings.validate_.sensitive,
                    seconds=run.seconds,
                    converted=source.old.origin_of(making.findings) if source.old else None,
                )
        with run.stage("verify"):
            making.conclude()
    return making.result()
