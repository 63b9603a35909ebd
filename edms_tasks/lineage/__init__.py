"""Whose a snapshot is, and which of an EDMS's snapshots is the newest.

`owner.py` tells the EDMSs of a repository apart, `witness.py` is what the working folder remembers, `history.py` one EDMS's
snapshots with all that is wrong with them, `choosing.py` what a name stands for, `reopening.py` the repository of a backup.
"""
