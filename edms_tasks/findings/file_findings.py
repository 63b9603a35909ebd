"""Findings about files and the folders they are in."""

from __future__ import annotations

from edms_tasks.findings.kind import Kind

KINDS = (
    Kind(
        "missing-file",
        ("warning",),
        "Rows name files that do not exist.",
        "Put the files back if there is another copy, or clear the values in the EDMS.",
    ),
    Kind("orphan-files", ("info",), "No row names these files. They are in the snapshot."),
    Kind(
        "file-of-no-row",
        ("warning",),
        "File names contain ids, as declared under [[soft_references]], that no row has. The files are in the snapshot.",
        "Delete the files in the EDMS, or leave them: validation expects the same number after a restore.",
    ),
    Kind(
        "path-column",
        ("info",),
        "A column names files of a file root although it is not a FileField. Missing files and orphans are counted for it as for "
        "FileFields.",
    ),
    Kind(
        "files-outside-the-roots",
        ("error",),
        "Rows name files on this machine outside the folders that are backed up. These files are not in the snapshot.",
        "If they belong to the EDMS, name their folder in [files] roots; if not, in [exclude] folders.",
    ),
    Kind(
        "files-in-no-root",
        ("warning",),
        "A folder around the EDMS holds documents that are in no folder that is backed up, and no row is known to name them. They are "
        "not in a snapshot.",
        "If they belong to the EDMS, name the folder in [files] roots; if not, in [exclude] folders.",
    ),
    Kind(
        "folder-excluded",
        ("info",),
        "[exclude] folders names this folder around the EDMS. Its files are not in a snapshot, even if rows name them.",
    ),
    Kind(
        "search-for-files-ended",
        ("warning",),
        "There are too many files around the EDMS to compare them all with its rows. Some files outside the roots were not examined.",
        "Name the folders of files in [files] roots.",
    ),
    Kind(
        "folder-not-asked",
        ("warning",),
        "The EDMS's code failed when a storage or field was asked for its folder. Files there were not searched for.",
        "Correct that storage or field; or name its folder in [files] roots.",
    ),
    Kind(
        "not-searched-outside",
        ("info",),
        "The EDMS runs behind a command, so its own folders were not searched. Files outside [files] roots are found only if rows name "
        "them by absolute paths that exist on this machine.",
        "Check that [files] roots names every folder that holds files of the EDMS.",
    ),
    Kind(
        "file-root-missing",
        ("error",),
        "The folder does not exist or is not a folder. None of its files is in the snapshot.",
        "Check that the folder is there (is its disk mounted?), or correct [files] roots.",
    ),
    Kind(
        "file-unreadable",
        ("error",),
        "The file cannot be read and is not in the snapshot.",
        "Give the user that runs the backup the right to read it.",
    ),
    Kind(
        "folder-unreadable",
        ("error",),
        "The folder cannot be listed. Its contents are not in the snapshot.",
        "Give the user that runs the backup the right to read it.",
    ),
    Kind("file-vanished", ("info",), "The file was removed while the backup ran."),
    Kind(
        "file-changed-while-read",
        ("warning",),
        "The file changed while it was read, both times. What was read the second time is stored.",
        "Back up when nobody writes to it.",
    ),
    Kind("file-special", ("warning",), "A socket, pipe or device is not in the snapshot."),
    Kind(
        "file-set-id",
        ("warning",),
        "The file runs with the rights of its owner or group (set-user-id or set-group-id bit). The bit is restored.",
        "Documents need no such bit. Find out who set it, and remove it with chmod ug-s.",
    ),
    Kind(
        "file-excluded", ("info",), "The file is left out by [exclude] files. It is not in the restored folder either."
    ),
    Kind(
        "file-of-a-running-program",
        ("info",),
        "A lock file, or a file with a process id ([exclude] running). It is left out; the program creates it again.",
    ),
    Kind(
        "search-index",
        ("info",),
        "The folder is a search index ([exclude] indexes). It is left out because it can be rebuilt. After a restore it is empty.",
        "After a restore, rebuild it with the EDMS's own command. To back it up anyway, set [exclude] indexes = [].",
    ),
    Kind(
        "link-dangling",
        ("warning",),
        "The target of the symbolic link does not exist. The link is not in the snapshot.",
        "Fix or remove the link.",
    ),
    Kind(
        "link-to-folder",
        ("warning",),
        "The symbolic link leads to a folder. Such links are not followed and not in the snapshot.",
        "If that folder holds files of the EDMS, name it in [files] roots.",
    ),
    Kind("link-stored-as-file", ("info",), "The symbolic link leads to a file. The file is stored in its place."),
    Kind(
        "database-inside-root",
        ("info",),
        "The folder contains the live database. The database's file and its companions (log, locks, previous databases) are left out: "
        "the rows are stored. A restore swaps the other entries of the folder one by one.",
    ),
    Kind(
        "other-database-in-root",
        ("warning",),
        "The folder contains the SQLite database of another alias in DATABASES. It is copied like a file; a copy that is made while a "
        "program writes to it may be damaged.",
        "Back it up with its own settings file as well, or keep it outside the folders of files.",
    ),
    Kind(
        "repository-inside-root",
        ("warning",),
        "The folder contains the repository or the working files of the backup. They are left out.",
        "Keep the repository outside the EDMS's folders, best on another machine.",
    ),
    Kind(
        "merge-cut-short",
        ("warning",),
        "The folder contains files that an interrupted merge had staged. They are left out.",
        "Run the merge again. If no merge is running, you can remove the folder.",
    ),
    Kind(
        "file-index-unusable",
        ("warning",),
        "The previous snapshot's index of files cannot be read. Every file was read again.",
        "Run `edms-backup verify` on the previous snapshot.",
    ),
    Kind(
        "file-root-is-a-mount-point",
        ("error",),
        "The folder is a mount point, which cannot be renamed. A restore in its place would be refused.",
        "Point the EDMS and [files] roots at a folder inside it; or restore with --into and --into-files, and copy the files.",
    ),
    Kind(
        "file-root-not-swappable",
        ("warning",),
        "The folder contains the live database, so a restore swaps its entries one by one, and one of them cannot be moved: it is a mount "
        "point, or this user may not move it. A restore in its place would be refused.",
        "Fix the permissions or unmount it; or restore with --into and --into-files, and copy the files.",
    ),
    Kind(
        "config-file-not-stored",
        ("error",),
        "A file of `[files] config` is not in the snapshot.",
        "Fix its name or its permissions, and back up again.",
    ),
    Kind(
        "folders-overlap",
        ("error",),
        "The repository or `workdir` and a folder of files are inside each other. A backup is refused: it would contain itself.",
        "Move the repository or `workdir` out of the EDMS's folders.",
    ),
    Kind(
        "storage-not-a-folder",
        ("error",),
        "The files are in a storage that is not a folder of this machine. They are not in the snapshot.",
        "If it is S3, name it in [files] roots. Otherwise back it up with its own tools. If it holds no documents: name it in [exclude] "
        "storages.",
    ),
    Kind(
        "store-without-place-beside",
        ("warning",),
        "The files are a whole bucket. They are in the snapshot, but a restore in place is refused: it has no place in which it could "
        "stage the new objects and keep the previous ones.",
        'Name one in another bucket of the same store: [files] beside = { NAME = "s3://BUCKET/PREFIX" }. '
        "docs/storage.md#files-in-object-stores says what it is for.",
    ),
    Kind(
        "object-not-a-file",
        ("error",),
        "The names of these objects cannot be the paths of files (empty parts, `..`, over 255 bytes, or an object that has others below "
        "its name). They are not in the snapshot.",
        "Rename them in the EDMS, or back them up with the store's own tools.",
    ),
    Kind(
        "object-headers-not-kept",
        ("warning",),
        "These objects have tags, a time of expiry, a redirect, headers with other characters than printable ASCII, "
        "or more than 16,000 characters of headers. These are not in the snapshot; content types and metadata are. Counted are "
        "the objects that this backup has read: new and changed ones.",
        "Set them again after a restore, where the EDMS needs them.",
    ),
    Kind(
        "storage-excluded",
        ("info",),
        "This storage is no folder, and the settings say that it holds no documents (`[exclude] storages`). It is not in the snapshot.",
        "Remove it from `[exclude] storages` if documents are in it.",
    ),
)
