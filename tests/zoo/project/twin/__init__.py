"""A second app: models of it have the names of models of `meeting`."""
