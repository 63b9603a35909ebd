"""SQLite's full-text indexes: they keep words in a form that can neither be masked nor searched, so they come back empty."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edms_tasks.conversion.virtual_tables import SearchIndex, search_indexes
from edms_tasks.manifest import Manifest
from edms_tasks.repository import Repository
from edms_tasks.restore import fetch_schema

_FULL_TEXT = ("_data", "_segments", "_segdir", "_content")


def full_text_indexes(repository: Repository, manifest: Manifest, folder: Path) -> list[SearchIndex]:
    """The full-text indexes of a snapshot; none on another engine than SQLite. `folder` is for its schema."""
    schema = fetch_schema(repository, manifest.native_schema, folder)
    return [
        index
        for index in search_indexes(schema, [entry.table for entry in manifest.tables])
        if any(shadow.endswith(_FULL_TEXT) for shadow in index.shadows)
    ]


def without_indexes(manifest: Manifest, indexes: Sequence[SearchIndex]) -> Manifest:
    """The manifest without the tables that indexes are stored in, and without what was found out about them."""
    names = {index.name for index in indexes}
    shadows = shadows_of(indexes)
    return manifest.model_copy(
        update={
            "tables": tuple(entry for entry in manifest.tables if entry.table.id not in shadows),
            "findings": tuple(
                one for one in manifest.findings if one.code != "search-index-checked" or one.subject not in names
            ),
        }
    )


def shadows_of(indexes: Sequence[SearchIndex]) -> frozenset[str]:
    """The ids of the tables that indexes are stored in."""
    return frozenset(shadow for index in indexes for shadow in index.shadows)
