"""Check that repository, working folder and the EDMS's files are separate.

A backup that contains itself grows with every run. A restore swaps a whole file root, so our own files in it would be lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pydantic import SecretStr

from edms_tasks import promotion
from edms_tasks.databases import DatabaseAddress
from edms_tasks.databases.database_files import names_in
from edms_tasks.errors import CommandError, SettingsError, TerminalError, UnsupportedEngine
from edms_tasks.files.index import readable
from edms_tasks.findings import make_finding
from edms_tasks.inventory.address_mapping import named_folders
from edms_tasks.inventory.model import FileRoot, Finding
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.mount_points import is_mount_point
from edms_tasks.settings import Settings
from flows.live.live_target import live_folders


def require_separate(settings: Settings, report: ProbeReport) -> None:
    """Check that none of these folders is inside another; raises SettingsError, which names both."""
    for error in _overlaps(settings, report):
        raise error


def overlapping(settings: Settings, report: ProbeReport) -> Iterator[Finding]:
    """The overlaps that `require_separate` would refuse, as findings."""
    for error in _overlaps(settings, report):
        yield make_finding(
            "folders-overlap",
            error.where,
            f"{error.what} {error.why} A backup is refused.",
            fix=error.fix,
        )


def unswappable_folders(settings: Settings, report: ProbeReport) -> Iterator[Finding]:
    """Findings on folders of files that a restore in their place would refuse, because they, or entries in them, cannot be renamed."""
    databases = DatabaseAddress.from_probe(report.databases[0]).files if report.databases else ()
    for name, folder in live_folders(settings, report).items():
        if is_mount_point(folder):
            yield make_finding(
                "file-root-is-a-mount-point",
                name,
                f"{folder} is a mount point, which cannot be renamed. A restore in its place would be refused.",
                fix=f"Point the EDMS and [files] roots at a folder inside {folder}; or restore with --into and --into-files, and copy "
                "the files.",
            )
            continue
        try:
            promotion.require_movable(folder, databases)
        except TerminalError as error:
            yield make_finding(
                "file-root-not-swappable",
                name,
                f"{error.what} {error.why} A restore in its place would be refused.",
                examples=(error.where,),
                fix=error.fix,
            )


def torn_databases(settings: Settings, report: ProbeReport) -> Iterator[Finding]:
    """SQLite databases of other aliases in folders of files: they are copied like files, while programs may write to them."""
    if settings.edms.command:
        return  # their files have other paths here
    for database in report.databases[1:]:
        try:
            files = DatabaseAddress.from_probe(database).files
        except UnsupportedEngine:
            continue  # it is on a server
        for name, folder in live_folders(settings, report).items():
            for path in names_in(folder, files):
                yield make_finding(
                    "other-database-in-root",
                    name,
                    f"The folder contains the database of DATABASES[{database.alias!r}], which is copied like any other file. A copy that "
                    "is made while a program writes may be damaged.",
                    examples=(readable(path),),
                    fix=f"Back it up with its own settings file as well: [edms] database = {database.alias!r}. Or keep it outside the "
                    "folders of files.",
                )


def our_folders(settings: Settings) -> list[Path]:
    """The repository, if it is a local folder, and the working folder."""
    return [folder for _, folder in _ours(settings)]


def require_target_apart(settings: Settings, target: Path, roots: Iterable[FileRoot]) -> None:
    """Check that what is exported goes neither into the repository nor among the EDMS's files.

    Raises:
        CommandError: it would, and names the folder.
    """
    for what, folder in _ours(settings):
        if what == "repository" and _within(target, folder):
            raise _among(target, folder, "The repository's folder holds what the repository writes, and nothing else.")
    for root in roots:
        if "://" not in root.path and Path(root.path).is_dir() and _within(target, Path(root.path)):
            why = "The EDMS may show it to its users, and the next backup would hold it."
            raise _among(target, Path(root.path), why)


def _among(target: Path, folder: Path, why: str) -> CommandError:
    return CommandError(
        f"The target is inside {folder}.", where=str(target), why=why, fix="Name a place outside this folder."
    )


def _overlaps(settings: Settings, report: ProbeReport) -> Iterator[SettingsError]:
    yield from overlapping_stores(settings)
    roots = named_folders(settings, report)
    for (what, ours), (name, root) in ((one, other) for one in _ours(settings) for other in roots.items()):
        if _within(ours, root) or _within(root, ours):
            verb = "lies inside" if _within(ours, root) else "holds"
            yield SettingsError(
                f"The {what} {verb} the folder of the EDMS's files {name!r}.",
                where=f"{ours} and {root}",
                why="A backup would contain itself, and a restore would replace it together with the files.",
                fix=f"Choose another folder: [repository] url and workdir, or [files] roots for {name!r}.",
            )


def overlapping_stores(settings: Settings) -> Iterator[SettingsError]:
    """A repository in a store that is backed up, or around it."""
    ours = f"{settings.repository.url.rstrip('/')}/"
    for name, store in settings.files.stores.items():
        theirs = f"{store}/"
        endpoints = {_endpoint(one) for one in (settings.repository.options, settings.files.options.get(name, {}))}
        if len(endpoints) == 1 and (ours.startswith(theirs) or theirs.startswith(ours)):
            yield SettingsError(
                f"The repository and the EDMS's files {name!r} are inside each other.",
                where=f"{ours} and {theirs}",
                why="A backup would contain itself.",
                fix="Put the repository into another bucket.",
            )


def _endpoint(options: Mapping[str, SecretStr]) -> str:
    return next((value.get_secret_value() for name, value in options.items() if name.lower() == "endpoint_url"), "")


def _ours(settings: Settings) -> Iterator[tuple[str, Path]]:
    if "://" not in settings.repository.url:
        yield "repository", Path(settings.repository.url)
    yield "working folder", settings.workdir
    if settings.run.scratch is not None:
        yield "folder for temporary files", settings.run.scratch


def _within(inner: Path, outer: Path) -> bool:
    """Whether a folder is another one or inside it, with links resolved."""
    return inner.resolve().is_relative_to(outer.resolve())
