"""Export a snapshot as one file, and import it into a repository."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edms_tasks.errors import CommandError
from edms_tasks.lineage.find_snapshot import chosen_snapshot
from edms_tasks.lineage.snapshot_source import is_package, open_source
from edms_tasks.manifest import Manifest
from edms_tasks.repository import Repository
from edms_tasks.repository.package_file import write_package
from edms_tasks.repository.reader_leases import reading
from edms_tasks.repository.records import NamedSnapshot
from edms_tasks.scratch.run_folder import run_folder
from flows.evidence.repository_log import LogFacts, logged
from flows.live.folder_checks import require_target_apart
from flows.requests import ExportRequest, ImportRequest
from flows.running.flow_decorators import Shortfall, flow
from flows.running.run import Run


@dataclass(frozen=True)
class PackageResult:
    """A snapshot that was exported or imported."""

    what: str  # exported or imported
    snapshot_id: str
    place: str  # the file, or the repository
    bytes: int  # of the file, or stored anew
    objects: int
    notes: tuple[str, ...] = ()

    def shortfall(self) -> Shortfall | None:
        """Always None: it is done and read back, or raises an error."""
        return None

    def log_facts(self) -> LogFacts:
        """What the repository's log says of it."""
        return LogFacts(True, snapshot=self.snapshot_id, facts={self.what: self.place, "objects": self.objects})

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        return {
            "success": True,
            "snapshot": self.snapshot_id,
            self.what: self.place,
            "bytes": self.bytes,
            "objects": self.objects,
            "notes": list(self.notes),
        }


@flow(name="edms-export", flow_run_name="export {snapshot}", description="Writes one snapshot into one file.")
@logged("export")
def export(run: Run, request: ExportRequest) -> PackageResult:
    """Write a snapshot into a package, and read every object of it back.

    Raises:
        CommandError: the file exists, cannot be written, or would be in the repository or among the EDMS's files.
        DamagedRepository: an object is damaged; no package is left.
        RepositorySealed: without the recovery key it is not known what the snapshot needs.
    """
    repository = Repository.open(run.settings.repository)
    repository.require_readable()
    chosen = chosen_snapshot(run.settings, repository, request.snapshot)
    path = _package_path(request.file)
    snapshot_id, manifest = chosen.snapshot_id, chosen.manifest
    require_target_apart(run.settings, path, [index.root for index in manifest.files])
    with (
        run.stage("export"),
        reading(repository.backend, [snapshot_id], "export"),
        run.progress("files of the snapshot", len(manifest.objects())) as advance,
    ):
        size = write_package(repository.backend, snapshot_id, manifest, repository.stored_name, path, advance)
    try:
        with run.stage("verify"):
            package, name = open_source(run.settings, str(path))
            for ref in package.read_manifest(name).objects().values():
                package.check(ref)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return PackageResult("exported", name, str(path), size, len(manifest.objects()), chosen.notes)


@flow(
    name="edms-import", flow_run_name="import {file}", description="Adds the snapshot of a package to the repository."
)
@logged("import")
def import_package(run: Run, request: ImportRequest) -> PackageResult:
    """Add the snapshot of a package to the repository, encrypted with the repository's own keys.

    Raises:
        CommandError: there is no such package.
        DamagedRepository: an object is damaged; the snapshot is not added.
    """
    path = _package_path(request.file)
    package, name = open_source(run.settings, str(path), request.identity)
    package.require_readable()
    manifest = package.read_manifest(name)
    repository = Repository.open(run.settings.repository)
    with run.stage("import"), run_folder(run.settings.workdir, "import") as folder, repository.lock("import"):
        begun, stored = repository.begin(), 0
        objects = manifest.objects().values()
        with run.progress("objects of the snapshot", len(objects)) as advance:
            for ref in objects:
                # Also if the repository has it: damage in the package is found, and damage in the repository is repaired.
                fetched = folder / "object"
                package.fetch(ref, fetched)
                repository.put_file(fetched)
                if not repository.is_right(ref):
                    repository.replace(ref, fetched)
                    repository.check(ref)
                stored += ref.size if ref.sha256 in repository.written else 0
                advance(1, ref.size)
        _record_where_it_begins(repository, name, manifest, path)
        repository.write_snapshot(package.read_snapshot(name))
        known = repository.survey().heads
        if manifest.identity is not None and manifest.number is not None:
            newest = known.get(manifest.identity.id)
            if newest is None or newest.number < manifest.number:
                repository.write_head(manifest.identity.id, name, manifest.number)
        repository.finish(begun)
    return PackageResult("imported", name, repository.display, stored, len(objects))


def _record_where_it_begins(repository: Repository, name: str, manifest: Manifest, path: Path) -> None:
    """Record that the snapshot's predecessors were never here, so that they are not missed; not if they were here once."""
    found = repository.survey()
    here = {*found.known_links, *found.unreadable, *found.missing}
    if manifest.previous is None or name in here or manifest.previous in here:
        return
    if any(entry.snapshot == manifest.previous for entry in repository.log.backwards()):
        return
    own = NamedSnapshot(
        id=name,
        edms=manifest.identity.id if manifest.identity else "",
        created=manifest.created,
        previous=manifest.previous,
        number=manifest.number,
    )
    repository.records.write("elsewhere", reason=f"imported from {path.name}", snapshots=[own])


def _package_path(file: str) -> Path:
    if not is_package(file):
        raise CommandError(
            "This is not the name of a package.",
            where=file,
            why="A package's name ends in .edms-package, or has a slash.",
            fix="For example ./monday.edms-package. Django fixtures: `edms-backup export SNAPSHOT TARGET --format dumpdata`.",
        )
    return Path(file).absolute()
