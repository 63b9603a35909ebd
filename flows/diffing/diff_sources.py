"""The sources of a diff: a snapshot or the live system, with their rows and files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from edms_tasks.comparing.file_comparison import Held, LiveFolder
from edms_tasks.comparing.shared_schema import ComparedState, state_of_database, state_of_snapshot
from edms_tasks.databases import Database, open_database
from edms_tasks.errors import SettingsError
from edms_tasks.files.exclusions import LeaveOut
from edms_tasks.inventory.address_mapping import named_folders
from edms_tasks.inventory.model import Table
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.manifest import Manifest, TableEntry
from edms_tasks.repository import Repository
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace
from edms_tasks.settings import Settings
from flows.restoring.target import address_of
from flows.running.run import Run, numbered
from flows.tasks.compare_tasks import fetch_rows
from flows.tasks.extract_tasks import extract_tables
from flows.tasks.inspect_tasks import check_database


@dataclass(frozen=True)
class DiffSource:
    """A snapshot or the live system, as one of the two sources of a diff."""

    state: ComparedState
    rows: Callable[[Sequence[Table], Path], dict[str, RawTable]]  # reads the rows of tables into a folder; by table id
    count: Callable[[str], int]  # the number of rows of a table, by its id
    roots: Mapping[str, Held]
    notes: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)  # of a live EDMS's models, by name of table
    not_compared: frozenset[str] = frozenset()  # names of roots that are not looked at

    def called(self, table_id: str) -> str:
        """The label of the model that owns a table."""
        table = self.state.tables[table_id]
        return self.labels.get(table.name, table.label)


def snapshot_source(
    run: Run, repository: Repository, snapshot_id: str, manifest: Manifest, workspace: Workspace
) -> DiffSource:
    """A snapshot as a source."""
    state = state_of_snapshot(snapshot_id, manifest)

    def rows(tables: Sequence[Table], folder: Path) -> dict[str, RawTable]:
        wanted = numbered([state.entries[table.id] for table in tables])
        return {raw.table_id: raw for raw in run.map(fetch_rows, wanted, repository, workspace, folder)}

    roots: dict[str, Held] = {index.root.name: index for index in manifest.files}
    return DiffSource(state, rows, lambda table_id: state.entries[table_id].state.rows, roots)


def empty_source(title: str, engine: str, roots: Mapping[str, Held]) -> DiffSource:
    """A system without a database, or that does not exist yet; some of its folders may exist."""
    return DiffSource(ComparedState(title, engine, {}, {}, frozenset(), frozenset()), _no_rows, lambda _: 0, roots)


def _no_rows(tables: Sequence[Table], folder: Path) -> dict[str, RawTable]:
    assert not tables, folder  # none are on both sides
    return {}


@contextmanager
def live_source(
    run: Run,
    scratch: Path,
    first: DiffSource,
    repository: Repository,
    report: ProbeReport | None,
    asked: Sequence[str],
) -> Iterator[DiffSource]:
    """The live system as a source, its database in one consistent view; `first` is the source to compare it with.

    `report` is the EDMS's report, and `asked` the notes of `ask_edms`.

    Raises:
        EdmsNotImportable, SettingsError: the database or a folder is unknown.
        DatabaseRefused: the database does not answer.
    """
    notes = list(asked)
    database = open_database(address_of(run.settings, report))
    run.call(check_database, database)
    folders = _folders(run.settings, report, first, repository, database.address.files, notes)
    with database_source(run, scratch, database, folders, like=[*first.state.entries.values()]) as it:
        apart = frozenset(run.settings.files.stores) - folders.keys()
        yield replace(it, notes=tuple(notes), labels=labels_of(report), not_compared=apart)


@contextmanager
def database_source(
    run: Run, scratch: Path, database: Database, roots: Mapping[str, Held], *, like: Sequence[TableEntry]
) -> Iterator[DiffSource]:
    """A database in one consistent view, and folders of files, as a source. Its tables have the ids of those in `like`."""
    with database.view(scratch, run.settings.jobs) as view:
        view.read_like(like)
        state = state_of_database(database.address.display, database.address.engine, view.tables(), view.findings())

        def rows(tables: Sequence[Table], folder: Path) -> dict[str, RawTable]:
            return extract_tables(run, view, [state.tables[table.id] for table in tables], folder)

        def count(table_id: str) -> int:
            return view.measure(state.tables[table_id]).rows

        yield DiffSource(state, rows, count, roots)


def labels_of(report: ProbeReport | None) -> dict[str, str]:
    """The labels of the EDMS's models, by the name of their table."""
    return {model.table: model.label for model in report.models} if report is not None else {}


def _folders(
    settings: Settings,
    report: ProbeReport | None,
    first: DiffSource,
    repository: Repository,
    databases: Sequence[Path],
    notes: list[str],
) -> dict[str, Held]:
    folders = named_folders(settings, report)
    for name, held in first.roots.items():
        if name in folders:
            continue
        if (store := settings.files.stores.get(name)) is not None:
            notes.append(
                f"The files {name!r} are in a store of objects ({store}), which is not compared with a snapshot."
            )
            continue
        if report is None:
            raise SettingsError(
                f"The folder of the files {name!r} is not known.",
                where=first.state.title,
                fix=f'Set it in the settings: [files] roots = {{ {name} = "/path/to/its/folder" }}.',
            )
        if held is not None:
            notes.append(f"The EDMS has no folder {name!r} any more; all its files count as removed.")
    ours = [*databases, settings.workdir, *([repository.local_folder] if repository.local_folder is not None else [])]
    return {
        name: LiveFolder(path, leave_out=LeaveOut.of(settings), ours=ours, jobs=settings.jobs)
        for name, path in folders.items()
    }
