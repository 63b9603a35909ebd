"""Which EDMS a snapshot belongs to, and which of an EDMS's snapshots is the newest.

`owner.py` tells the EDMSs of a repository apart, `last_backup_record.py` records the last backup in the working folder,
`snapshot_history.py` has the snapshots of one EDMS and the problems with them, `snapshot_names.py` resolves the name of a
snapshot, `find_snapshot.py` does so for the EDMS in the settings, `reopen_repository.py` opens the repository of a backup,
`known_records.py` remembers in the working folder which records the repository has, `record_proved.py` records proofs,
`snapshot_position.py` determines the position of a new snapshot, `snapshot_tags.py` checks tags.
"""
