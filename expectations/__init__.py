"""Great Expectations: the suites a restored EDMS database must pass, built from the snapshot's manifest.

`suites.py` says what is expected, `queries.py` and `keys.py` how the database counts it, `integrity.py` holds the
custom expectations, `evaluation.py` runs everything once, `data_docs.py` writes the pages. Only `edms_tasks.validate`
imports this package: Great Expectations takes seconds to import.
"""
