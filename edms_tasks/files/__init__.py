"""Folders of files: walked, packed into the repository, written back, and checked.

One storage root becomes an *index* (Parquet: a row for every file and folder, in depth-first order) and *packs* (zstd objects
of up to 16 MiB with the contents of files one after another). `root_backup.py` backs up a root: `folder_walk.py` and
`folder_listing.py` list it, `exclusions.py` says what is left out, `read_ahead.py` and `pack_writer.py` read and pack files.
`index.py` is the index and its digest, `index_fetch.py` fetches and checks one, `stored_index.py` stores other rows as one,
`pack_contents.py` and `pack_check.py` read packs, `root_restore.py` restores, `folder_check.py` checks a restored folder.
Files in stores: `store_place.py` is a place in one, `store_source.py` lists and reads it for a backup, `store_restore.py` restores and
checks, `store_copying.py` copies within the store and compares places, `live_stores.py` knows those of the settings.
`named_files.py` compares the files that rows name with those that exist: `path_mentions.py` collects names,
`mention_matching.py` matches them with files, `path_columns.py` finds columns of paths, `file_references.py` missing files and
orphans, `outside_roots.py` files outside every root. Everything read from a repository is checked before it is used.
"""

from edms_tasks.files.folder_check import FileCheck, check_files
from edms_tasks.files.named_files import Examination, NamedFiles, examine_named_files, find_named_files
from edms_tasks.files.pack_check import verify_files
from edms_tasks.files.root_backup import index_files
from edms_tasks.files.root_restore import restore_files

__all__ = [
    "Examination",
    "FileCheck",
    "NamedFiles",
    "check_files",
    "examine_named_files",
    "find_named_files",
    "index_files",
    "restore_files",
    "verify_files",
]
