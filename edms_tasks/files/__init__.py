"""Folders of files: walked, packed into the repository, written back, and checked.

One storage root becomes an *index* (Parquet: a row for every file and folder, in depth-first order) and *packs* (zstd
objects of up to 16 MiB with the contents of files one after another). `pack.py` backs up a root: `walk.py` and `listing.py`
list it, `left_out.py` says what is left out, `read_ahead.py` and `packing.py` read and pack files. `index.py` is the index and
its digest, `fetch.py` fetches and checks one, `contents.py` and `stored_files.py` read packs, `write_back.py` restores,
`check.py` checks a restored folder. `named_files.py` compares the files that rows name with those that exist: `mentions.py`
collects names, `matching.py` matches them with files, `path_columns.py` finds columns of paths, `problems.py` missing files and
orphans, `outside.py` files outside every root. Everything read from a repository is checked before it is used.
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
