"""Repositories of format 2 as they were before the release 1.0.0, each with two snapshots of a reference EDMS and its keys.

`make_repositories.py` made them: a backup of an installation with six documents, two documents more, and another backup, with
`chunk_rows = 40` and an encrypted, signed repository. The JSON beside each has the SHA-256 of every part of the independent picture of the
system at each of them. They are never made anew: what is in them is what somebody's repository holds.
"""
