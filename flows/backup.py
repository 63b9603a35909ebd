"""Backup: inspect → check keys → extract → serialize → package → verify."""

from __future__ import annotations

from edms_tasks.files import Examination
from edms_tasks.lineage.snapshot_tags import check_tag
from flows.backing_up.backup_result import BackupResult
from flows.backing_up.make_snapshot import inspect_source, making_a_snapshot
from flows.backing_up.preflight_restore import foresee_restore
from flows.backing_up.table_selection import choose_contents
from flows.live.folder_checks import our_folders
from flows.requests import BackupRequest
from flows.running.flow_decorators import flow
from flows.running.run import Run
from flows.tasks.extract_tasks import capture_schema, extract_tables, read_sequences
from flows.tasks.package_tasks import (
    look_up_file_names,
    match_files,
    package_schema,
    package_table,
    store_roots,
    write_the_manifest,
)
from flows.tasks.serialize_tasks import check_natural_keys, serialize_tables


@flow(
    name="edms-backup",
    flow_run_name="backup {tag}",
    description="Makes a snapshot of the EDMS and reads it back.",
    repeatable=True,
)
def backup(run: Run, request: BackupRequest) -> BackupResult:
    """Make a snapshot; fails where it could not be verified.

    Raises:
        CommandError: this cannot be a tag.
        SettingsError: repository, working folder and folders of files lie in each other.
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
    with run.runner.tagged(source.engine), making_a_snapshot(run, source) as making:
        with source.database.view(making.folder, run.settings.jobs) as view:
            with run.stage("check keys"):
                contents = choose_contents(run, source, view, making)
            with run.stage("extract"):
                raws = extract_tables(run, view, contents.kept, making.folder / "raw")
                schema = run.call(capture_schema, view, making.folder / "schema")
                sequences = run.call(read_sequences, view)
        with run.stage("extract"):  # the database's view is closed by now, so production is not held up
            making.findings += foresee_restore(run, source.database, schema, making.folder)

        with run.workspace(making.folder / "workspace", threads=1) as workspace:
            with run.stage("serialize"):
                with workspace.threads(run.settings.jobs):
                    keys = run.call(check_natural_keys, contents.inventory.tables, raws, workspace)
                serialized = serialize_tables(
                    run, making.repository, contents.kept, raws, keys, making.previous, making.folder
                )
                making.findings += [*keys.findings, *making.unusable(serialized)]

            making.begin()  # before this line nothing is written to the repository
            with run.stage("package"):
                stored_schema = run.call(package_schema, making.repository, source.engine, schema)
                pairs = list(zip(contents.kept, serialized, strict=True))
                entries = [*run.map(package_table, pairs, making.repository), *contents.left_out]
            with run.stage("files"):
                roots = store_roots(
                    run,
                    making.repository,
                    contents.inventory.file_roots,
                    making.previous,
                    source.database.address.files,
                    making.folder,
                )
                making.release()
                indexes = [root.index for root in roots]
                named = contents.inventory.file_names
                making.findings += [finding for root in roots for finding in root.findings]
                examination = Examination(
                    tables=contents.inventory.tables,
                    raws=raws,
                    roots=[index.root for index in indexes],
                    declared=named,
                    surroundings=source.report.surroundings,
                    ours=[*our_folders(run.settings), *source.database.address.files],
                    known=making.previous.manifest.path_columns if making.previous else (),
                )
                matched = run.call(
                    match_files, examination, indexes, making.repository, workspace=workspace, scratch=making.folder
                )
                making.findings += matched.findings
                by_root = {index.root.name: index for index in indexes}
                file_names = run.call(look_up_file_names, named, by_root, making.repository, keys, making.folder)
                making.note_file_names(file_names)
            with run.stage("package"):
                making.made = run.call(
                    write_the_manifest,
                    making.repository,
                    contents.inventory,
                    making.place,
                    tag=request.tag,
                    schema=stored_schema,
                    sequences=sequences,
                    entries=entries,
                    files=indexes,
                    file_names=file_names,
                    path_columns=matched.path_columns,
                    findings=making.findings,
                    seconds=run.seconds,
                )
        with run.stage("verify"):
            making.conclude(serialized)
    return making.result()
