"""The target of a restore or a merge: the EDMS's database and folders, from the EDMS or the settings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from edms_tasks import promotion
from edms_tasks.databases import Database, DatabaseAddress, open_database
from edms_tasks.errors import CommandError, EdmsNotImportable, SettingsError, TerminalError
from edms_tasks.files.live_stores import LiveStores, StagedStore
from edms_tasks.files.safe_names import plain_name
from edms_tasks.inventory.address_mapping import named_folders
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.manifest import FileIndex, Manifest
from edms_tasks.restore import check_engine
from edms_tasks.settings import Settings
from flows.live.live_target import live_folders
from flows.restoring.apart_from_live import require_apart
from flows.restoring.conversion_requirements import require_convertible
from flows.restoring.conversion_target import engine_address
from flows.running.run import Run
from flows.tasks.inspect_tasks import inspect_edms


@dataclass(frozen=True)
class Target:
    """The target of a restore or a merge."""

    database: Database
    report: ProbeReport | None  # None: the EDMS's code does not run
    folders: tuple[tuple[FileIndex, Path, Path], ...]  # index, final folder, staged folder
    stores: tuple[tuple[FileIndex, StagedStore], ...]  # of roots whose objects are replaced in a store
    into: str | None  # the name of another database on the server of `database`; None: the live one
    converts: bool = False  # whether the target is of another engine than the snapshot
    throwaway: bool = False  # whether the copy is removed when the restore ends, as by a drill

    def with_files_of(self, manifest: Manifest) -> Target:
        """The same with the indexes of a manifest that has the same roots and perhaps other files in them."""
        indexes = {index.root.name: index for index in manifest.files}
        return replace(
            self,
            folders=tuple((indexes[was.root.name], final, staged) for was, final, staged in self.folders),
            stores=tuple((indexes[was.root.name], store) for was, store in self.stores),
        )

    @property
    def indexes(self) -> tuple[FileIndex, ...]:
        """The indexes of all roots that are restored."""
        return (*(index for index, _, _ in self.folders), *(index for index, _ in self.stores))


def ask_edms(run: Run, notes: list[str]) -> ProbeReport | None:
    """The EDMS's report; None if its code does not run and the settings name a database instead."""
    try:
        return run.call(inspect_edms, run.ask, run.settings)
    except EdmsNotImportable as error:
        if run.settings.restore.database is None:
            raise EdmsNotImportable(
                "The EDMS cannot say where its database is.",
                where=error.where,
                why=f"{error.what} {error.why}",
                fix="Fix [edms], or restore without it: set EDMS_BACKUP__RESTORE__DATABASE to the database's URL"
                " (and [files] roots to the folders of its files).",
            ) from error
        notes.append(
            "The EDMS's code could not be imported: the snapshot's schema and inventory were used; the EDMS's migrations and `check` "
            "were not run."
        )
        return None


def address_of(settings: Settings, report: ProbeReport | None) -> DatabaseAddress:
    """The live database, from the settings or else from the EDMS's report."""
    if settings.restore.database is not None:
        address = DatabaseAddress.from_url(settings.restore.database.get_secret_value())
        return replace(address, client_programs=str(settings.edms.client_programs or ""))
    assert report is not None  # `ask_edms` raises if neither is known
    return DatabaseAddress.from_probe(report.databases[0])


def find_target(
    settings: Settings,
    manifest: Manifest,
    into: str | None,
    into_files: Path | None,
    notes: list[str],
    report: ProbeReport | None,
) -> Target:
    """The EDMS's database and folders, from its `report` or the settings, or those of `into`; adds to `notes`.

    Raises:
        EdmsNotImportable, SettingsError: the database or a folder is unknown.
        CommandError: the snapshot was made from another engine; or `into` is a URL of the same engine.
    """
    if into is not None and not into.strip():  # as from a variable of a script that is not set
        raise CommandError(
            "The name of the target is blank.", where="--into", fix="Name a database or a file with --into."
        )
    other = engine_address(into)
    database = open_database(other or address_of(settings, report))
    if other is None:
        check_engine(manifest, database)
    else:
        require_convertible(settings, manifest, report, other)
        into = other.name
    if report is not None and report.secret_key_fingerprint != manifest.edms.secret_key_fingerprint:
        notes.append(
            "SECRET_KEY differs from the one at the backup. Unless it is restored with the files, sessions, password-reset links and "
            "signed values are no longer valid."
        )
    notes += _to_be_rebuilt(manifest)
    if into is not None and database.address.is_file:
        into = str(Path(into).absolute())
    found = _folders(settings, manifest, report, into, into_files)
    if into is not None:
        file = into if database.address.is_file else None
        live = _live_file(settings, report)
        require_apart(live, file, [final for _, final, _ in found], live_folders(settings, report).values())
    stores = _stores(settings, manifest, report) if into is None else ()
    return Target(database, report, found, stores, into, other is not None)


def _live_file(settings: Settings, report: ProbeReport | None) -> Database | None:
    """The live database, if it is a file and is known."""
    if report is None and settings.restore.database is None:
        return None
    live = open_database(address_of(settings, report))
    return live if live.address.is_file else None


def _folders(
    settings: Settings, manifest: Manifest, report: ProbeReport | None, into: str | None, into_files: Path | None
) -> tuple[tuple[FileIndex, Path, Path], ...]:
    folders = []
    known = live_folders(settings, report)
    for index in manifest.files:
        name = index.root.name
        if into is not None:
            base = into_files or settings.workdir.parent / f"{Path(into).name}-files"
            final = base / plain_name(name)
        elif name in known:
            final = known[name]
            _require_end_of_link(settings, report, name)
        elif not index.files or name in settings.files.stores:
            continue
        else:
            raise SettingsError(
                f"The place for the files {name!r} is not known.",
                where=f"snapshot: {index.root.path}",
                fix=f'Set it in the settings: [files] roots = {{ {name} = "/path/to/its/folder" }}, or its address in a store.',
            )
        folders.append((index, final, promotion.staging_folder(final)))
    return tuple(folders)


def _stores(
    settings: Settings, manifest: Manifest, report: ProbeReport | None
) -> tuple[tuple[FileIndex, StagedStore], ...]:
    """The roots whose files are objects of a store, by the settings, with places for the staged ones."""
    stores, folders = LiveStores.of(settings), live_folders(settings, report)
    found = []
    for index in manifest.files:
        live = stores.addresses.get(index.root.name)
        if live is not None and index.root.name not in folders:
            found.append((index, StagedStore(live, stores.staging(live))))
    return tuple(found)


def _to_be_rebuilt(manifest: Manifest) -> list[str]:
    """Notes on what the backup left out and the EDMS must rebuild."""
    return [
        f"{finding.subject}: {finding.count:,} search indexes come back empty ({', '.join(finding.examples)}). Rebuild them with the "
        "EDMS's own command."
        for finding in manifest.findings
        if finding.code == "search-index"
    ]


def _require_end_of_link(settings: Settings, report: ProbeReport | None, name: str) -> None:
    """Refuse a folder that is a dangling link: usually its disk is not mounted, and the files must not go to this one."""
    named = named_folders(settings, report)[name]
    if named.is_symlink() and not named.exists():
        raise TerminalError(
            f"The folder of {name!r} is a dangling link.",
            where=f"{named} -> {named.readlink()}",
            fix="Mount the disk that it points to, or create the folder there; or remove the link, and the files are restored in its "
            "place.",
        )
