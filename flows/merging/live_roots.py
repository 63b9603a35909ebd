"""Where the EDMS keeps the files of each root: in folders, or in stores of objects."""

from __future__ import annotations

from edms_tasks.errors import MergeRefused
from edms_tasks.files.live_stores import LiveStores
from edms_tasks.inventory.address_mapping import named_folders
from edms_tasks.inventory.file_stores import is_store
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.manifest import Manifest
from edms_tasks.merging.live_files import LiveFiles
from edms_tasks.merging.merged_folder import MergedFolder
from edms_tasks.merging.merged_store import MergedStore
from edms_tasks.settings import Settings


def live_files(settings: Settings, report: ProbeReport | None, manifest: Manifest) -> dict[str, LiveFiles]:
    """The EDMS's files, by the name of the root; raises MergeRefused if those of the snapshot have no place."""
    stores = LiveStores.of(settings)
    known: dict[str, LiveFiles] = {
        name: MergedFolder(folder) for name, folder in named_folders(settings, report).items()
    } | {name: MergedStore(address, stores) for name, address in stores.addresses.items()}
    for index in manifest.files:
        if index.files and index.root.name not in known:
            here = index.root.path if is_store(index.root.path) else "/path/to/its/folder"
            raise MergeRefused(
                f"Where the EDMS has the files {index.root.name!r} is not known.",
                where=f"snapshot: {index.root.path}",
                fix=f'Set it in the settings: [files] roots = {{ {index.root.name} = "{here}" }}.',
            )
    return known
