"""The parts of a drill: choosing the snapshot, the acceptance commands, the recovery point."""
