"""Values as Django's serialisers write them, as DuckDB SQL over the columns of chunks: the way back of `serialized_values.py`.

Every value is written. Where the fixture holds another value than the snapshot, or one that `loaddata` reads as another or
refuses, a `Doubt` has the condition for it, so that such values are counted.
"""

from __future__ import annotations

from edms_tasks.conversion.fixture_value import FixtureValue, StoredColumn
from edms_tasks.conversion.fixtures_of_postgresql import value_of_postgresql
from edms_tasks.conversion.fixtures_of_sqlite import value_of_sqlite


def fixture_value(engine: str, stored: StoredColumn, time_zone: str | None) -> FixtureValue:
    """The values of a column in a fixture.

    Args:
        engine: the snapshot's engine.
        stored: the column.
        time_zone: the zone of times without one (`Edms.time_zone`).
    """
    if engine == "sqlite":
        return value_of_sqlite(stored, time_zone)
    return value_of_postgresql(stored)


def assumes_zone(engine: str, time_zone: str | None) -> bool:
    """Whether it is not known in which zone times are, and UTC is taken for it."""
    return engine == "sqlite" and time_zone is None
