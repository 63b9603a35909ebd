"""A run's own folder, its bounds on memory and disk."""
