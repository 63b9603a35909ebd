"""Folders of files: walked, packed into the repository, written back, and checked.

One storage root becomes an *index* (Parquet: a row for every file and folder, in depth-first order) and *packs* (zstd
objects of up to 16 MiB in which the contents of files stand one after another). `index.py` is the index and its
digest, `fetch.py` an index read without trusting it, `walk.py` and `listing.py` what a folder holds, `reading.py` and
`packing.py` files on their way into packs, `pack.py` the backup of it all, `contents.py` reading back, `restore.py`,
`check.py` and `verify.py` the rest. `named_files.py` compares what rows name with the files that are there: `mentions.py` what
could be a name, `matching.py` the files of such names, `path_columns.py` columns of paths, `problems.py` missing files and
orphans, `outside.py` files that no root holds. Everything read from a repository is checked before it is used.
"""

from edms_tasks.files.check import FileCheck, check_files
from edms_tasks.files.named_files import Examination, NamedFiles, examine_named_files, find_named_files
from edms_tasks.files.pack import index_files
from edms_tasks.files.stored_files import verify_files
from edms_tasks.files.write_back import restore_files

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
