"""Great Expectations: the suites a restored EDMS database must pass, built from the snapshot's manifest, and their checkpoint.

`suites.py` says what is expected of tables, `summaries.py` of what was measured, `queries.py` and `keys.py` how the
database counts it. `integrity.py` holds the custom expectations, `checkpoint.py` the validation definitions and the
checkpoint, `context.py` the data source. `results.py` reads what was found, `data_docs.py` writes the pages. Only
`edms_tasks.validate` imports this package: Great Expectations takes seconds to import.
"""
