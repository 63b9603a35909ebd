"""Repositories of the last release that wrote format 1 (0.2 before format 2), each with two snapshots of a reference EDMS.

They were made with `chunk_rows = 40` of an installation with six documents: a backup, the changes of `test_incremental_backup.py`,
and another backup. The JSON beside each has the SHA-256 of every part of the independent picture of the system at each of them.
"""
