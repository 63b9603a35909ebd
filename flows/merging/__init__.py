"""The parts of a merge: its options (`merge_options.py`) and its stages (`merge_stages.py`)."""
