"""One module per trait in `traits/`, each with its models, its rows (`fill`) and the rows of a later day (`grow`)."""
