"""Folders of files: walked, packed into the repository, written back, and checked.

One storage root becomes an *index* (Parquet: a row for every file and folder, in depth-first order) and *packs* (zstd
objects of up to 16 MiB in which the contents of files stand one after another). `index.py` is the index and its
digest, `fetch.py` an index read without trusting it, `walk.py` and `listing.py` what a folder holds, `reading.py` and
`packing.py` files on their way into packs, `pack.py` the backup of it all, `contents.py` reading back, `restore.py`,
`check.py`, `verify.py` and `problems.py` the rest; `outside.py` finds
files that no root holds. Everything read from a repository is checked before it is used.
"""

from edms_tasks.files.check import FileCheck, check_files
from edms_tasks.files.outside import find_files_outside
from edms_tasks.files.pack import index_files
from edms_tasks.files.problems import find_file_problems
from edms_tasks.files.stored_files import verify_files
from edms_tasks.files.write_back import restore_files

__all__ = [
    "FileCheck",
    "check_files",
    "find_file_problems",
    "find_files_outside",
    "index_files",
    "restore_files",
    "verify_files",
]
