"""Everything that is wrong before the start has an error of its own, and nothing is changed when it is raised."""
