"""Two systems that meet in a merge: one module per trait in `traits/`, with its models, what each of the two has, and what the rows say."""
