"""Export a snapshot as Django fixtures, with the files of its roots, and say what these do not hold."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edms_tasks.conversion.fixture_functions import fixture_functions
from edms_tasks.durable import flush_folder, write_durably
from edms_tasks.errors import CommandError
from edms_tasks.files.safe_names import plain_name
from edms_tasks.fixtures.exported_models import ExportedModel, exported_models
from edms_tasks.fixtures.fetched_rows import FetchedRows
from edms_tasks.fixtures.fixture_file import IN_A_FOLDER, FixtureFile, FixtureTarget, fixture_file, fixture_target
from edms_tasks.fixtures.named_rows import NamedRows
from edms_tasks.fixtures.not_held import file_findings, row_findings, value_findings
from edms_tasks.fixtures.row_forms import row_form
from edms_tasks.fixtures.written_rows import ModelWriter, WrittenModel
from edms_tasks.inventory.model import Finding
from edms_tasks.lineage.find_snapshot import chosen_snapshot
from edms_tasks.lineage.snapshot_source import open_source
from edms_tasks.manifest import Manifest
from edms_tasks.redaction import Redaction
from edms_tasks.repository.reader_leases import reading
from edms_tasks.scratch.run_folder import run_folder
from flows.evidence.repository_log import LogFacts, logged
from flows.live.folder_checks import require_target_apart
from flows.requests import FixtureRequest
from flows.restoring.erasing import ErasedSnapshot, apply_ledger
from flows.running.flow_decorators import Shortfall, flow, task
from flows.running.run import Run
from flows.tasks.restore_tasks import restore_root


@dataclass(frozen=True)
class FixtureResult:
    """A snapshot that was exported as fixtures, and what they do not hold."""

    snapshot_id: str
    place: str  # the file or the folder
    format: str
    file: FixtureFile
    models: tuple[WrittenModel, ...]
    roots: tuple[tuple[str, int], ...]  # name, number of files
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    erased: ErasedSnapshot

    @property
    def rows(self) -> int:
        """The number of rows; links of many-to-many fields are no rows of their own."""
        return sum(model.rows for model in self.models)

    @property
    def losses(self) -> tuple[Finding, ...]:
        """The findings that are losses."""
        return tuple(one for one in self.findings if one.severity == "error")

    def shortfall(self) -> Shortfall | None:
        """Why the run counts as failed: what is lost."""
        lost = tuple(f"{one.subject}: {one.message}" for one in self.losses)
        return Shortfall("The fixture does not hold everything.", lost) if lost else None

    def log_facts(self) -> LogFacts:
        """What the repository's log says of it."""
        facts: dict[str, Any] = {"exported": self.place, "rows": self.rows, "losses": len(self.losses)}
        facts |= self.erased.facts()
        return LogFacts(not self.losses, snapshot=self.snapshot_id, facts=facts)

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        return {
            "success": not self.losses,
            "snapshot": self.snapshot_id,
            "exported": self.place,
            "format": self.format,
            "file": self.file.name,
            "bytes": self.file.bytes,
            "sha256": self.file.sha256,
            "rows": {model.name: model.rows for model in self.models},
            "files": dict(self.roots),
            "findings": [one.as_json() for one in self.findings],
            "losses": len(self.losses),
            "notes": list(self.notes),
        }


@flow(
    name="edms-export-fixtures",
    flow_run_name="export {snapshot} as fixtures",
    description="Writes a snapshot as Django fixtures, which loaddata reads, and says what these do not hold.",
)
@logged("export")
def export_fixtures(run: Run, request: FixtureRequest) -> FixtureResult:
    """Write a snapshot's rows as a fixture, and the files of its roots beside it if the target is a folder.

    Raises:
        CommandError: the target's name or place, a model's name, or the combination of options is wrong.
        TargetExists: the target exists.
        DamagedRepository: an object is damaged; no target is left.
        RepositorySealed: the repository is encrypted, and its key is not here.
        CheckFailed: an erasure cannot be applied.
    """
    target = _checked_target(request)
    repository, name = open_source(run.settings, request.snapshot)
    repository.require_readable()
    chosen = chosen_snapshot(run.settings, repository, name)
    snapshot_id, manifest = chosen.snapshot_id, chosen.manifest
    require_target_apart(run.settings, target.path, [index.root for index in manifest.files])
    notes = [*chosen.notes, *_losses_before(manifest)]
    with (
        run_folder(run.settings.workdir, "export") as folder,
        reading(repository.backend, [snapshot_id], "export"),
    ):
        erased = apply_ledger(
            run,
            repository,
            manifest,
            None,
            folder / "erased",
            notes,
            snapshot=request.snapshot,
            without=request.without_erasures,
        )
        return _export(run, request, target, snapshot_id, erased, folder, tuple(notes))


def _export(
    run: Run,
    request: FixtureRequest,
    target: FixtureTarget,
    snapshot_id: str,
    erased: ErasedSnapshot,
    folder: Path,
    notes: tuple[str, ...],
) -> FixtureResult:
    """Export what erasures left of the snapshot."""
    repository, manifest = erased.repository, erased.manifest
    exported = exported_models(manifest, request.models, request.exclude)
    roots = manifest.files if target.is_folder and not request.without_files else ()
    with (
        run.workspace(folder / "work", rows=manifest.rows) as workspace,
        fixture_functions(workspace.engine),
        _new_target(target) as place,
    ):
        for kind in ("rows", "names"):
            (folder / kind).mkdir()
        form = row_form(target.format, request.indent)
        fetched = FetchedRows(
            repository, workspace, folder / "rows", manifest.engine, manifest.edms.time_zone, exported
        )
        named = NamedRows(fetched, form, request.natural_foreign, folder / "names")
        path = place / IN_A_FOLDER if target.is_folder else target.path
        with run.stage("export"), fixture_file(path, target) as (file, made):
            file.write(form.frame.begin.encode())
            writer = ModelWriter(fetched, named, form, request.natural_primary, file.write)
            with run.progress("rows", sum(model.entry.state.rows for model in exported.models)) as advance:
                written = [run.call(write_model, model, writer, advance) for model in exported.models]
            file.write((form.frame.end if writer.begun or target.format != "json" else "[]\n").encode())
        if target.is_folder:
            write_durably(place / f"{path.name}.sha256", f"{made[0].sha256}  {path.name}\n")
        with run.stage("files"):
            for index in roots:
                inside = place / "files" / plain_name(index.root.name)
                run.call(restore_root, run, index, repository, inside, folder / f"scratch-{inside.name}")
    redaction = Redaction.of_entries(run.settings.validate_.sensitive, manifest.tables)
    findings = (
        *value_findings(list(zip(exported.models, written, strict=True)), redaction),
        *row_findings(manifest, exported, by_natural_key=request.natural_foreign, without_ids=request.natural_primary),
        *(() if roots else file_findings(manifest.files, asked=not request.without_files)),
    )
    return FixtureResult(
        snapshot_id,
        str(target.path),
        target.format,
        made[0],
        tuple(written),
        tuple((index.root.name, index.files) for index in roots),
        findings,
        notes,
        erased,
    )


def _losses_before(manifest: Manifest) -> Iterator[str]:
    if manifest.converted is not None and manifest.converted.losses:
        yield f"The snapshot was converted from an old backup with {manifest.converted.losses} losses: they are in its findings."


@task(name="write model", tags=["export"], task_run_name="write {model.name}")
def write_model(model: ExportedModel, writer: ModelWriter, advance: Callable[[int], None]) -> WrittenModel:
    """Write the rows of a model into the fixture."""
    return writer.write_model(model, advance)


def _checked_target(request: FixtureRequest) -> FixtureTarget:
    if request.natural_primary and not request.natural_foreign:
        raise CommandError(
            "--natural-primary needs --natural-foreign.",
            why="References by id would lead to rows that are written without one.",
            fix="Give both, or none.",
        )
    target = fixture_target(request.target)
    if not target.path.parent.is_dir():
        raise CommandError("The target's folder does not exist.", where=str(target.path.parent), fix="Create it first.")
    return target


@contextmanager
def _new_target(target: FixtureTarget) -> Iterator[Path]:
    """The folder to write into. It gets the target's name when all is in it; nothing is left of one that failed."""
    if not target.is_folder:
        yield target.path.parent
        return
    try:
        place = Path(tempfile.mkdtemp(prefix=f".{target.path.name}.", suffix=".new", dir=target.path.parent))
    except OSError as error:
        raise CommandError(
            "The target's folder cannot be written to.",
            where=str(target.path.parent),
            why=error.strerror or str(error),
            fix="Name another place, or let this user write there.",
        ) from error
    try:
        yield place
        if target.path.is_dir():
            target.path.rmdir()  # it is empty
        place.rename(target.path)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    flush_folder(target.path.parent)
