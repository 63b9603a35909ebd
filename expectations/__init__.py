"""Great Expectations: the suites that a restored database must pass, built from the snapshot's manifest, and their checkpoint.

`suites.py` has the suites for tables, `summaries.py` those for measurements, `count_queries.py` and `key_expressions.py` the
SQL that counts. `integrity.py` has the custom expectations, `checkpoint.py` the validation definitions and the checkpoint,
`context.py` the data source. `results.py` reads the results, `data_docs.py` writes the pages. Only `edms_tasks.validate`
imports this package, because importing Great Expectations takes seconds; `deferred_modules.py` takes a quarter off that.
"""

from __future__ import annotations

from expectations.deferred_modules import defer

defer("altair", "scipy.stats")
