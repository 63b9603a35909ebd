"""The commands of `edms-backup`, one file each: options in, a composition called, its result printed."""
