"""What the EDMS holds: asked from the EDMS by the probe, and merged with the database's catalogue."""
