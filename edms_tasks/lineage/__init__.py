"""Which EDMS a snapshot belongs to, and which of an EDMS's snapshots is the newest.

`owner.py` tells the EDMSs of a repository apart, `witness.py` records the last backup in the working folder, `history.py`
has the snapshots of one EDMS and the problems with them, `choosing.py` resolves the name of a snapshot, `asking.py` does so
for the EDMS in the settings, `reopening.py` opens the repository of a backup, `placing.py` determines the position of a new
snapshot, `tags.py` checks tags.
"""
