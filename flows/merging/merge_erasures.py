"""Leave what was erased out of the snapshot that is merged, so that a merge does not bring it back."""

from __future__ import annotations

from dataclasses import Field, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.manifest import Manifest
from edms_tasks.repository import Repository
from flows.requests import MergeRequest
from flows.restoring.erasing import apply_ledger
from flows.running.run import Run


class OpenedSnapshot(Protocol):
    """A snapshot that is about to be merged; a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def manifest(self) -> Manifest:
        """Its manifest."""

    @property
    def repository(self) -> Repository:
        """The repository with its objects."""

    @property
    def report(self) -> ProbeReport | None:
        """What the EDMS says of itself."""


Opened = TypeVar("Opened", bound=OpenedSnapshot)


def without_erased(run: Run, request: MergeRequest, opened: Opened, scratch: Path, notes: list[str]) -> Opened:
    """The same without the rows that were deleted since the snapshot was made; adds what was done to `notes`.

    Raises:
        CheckFailed: the snapshot has a row whose columns were erased.
    """
    erased = apply_ledger(
        run,
        opened.repository,
        opened.manifest,
        opened.report,
        scratch / "erased",
        notes,
        snapshot=request.snapshot,
        without=request.without_erasures,
        deletes_only=True,
    )
    return replace(opened, manifest=erased.manifest, repository=erased.repository)
