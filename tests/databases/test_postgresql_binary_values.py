"""Numbers, spans, dates, times and addresses that are loaded in binary form are, to the bit, those that the server made of their text."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edms_tasks.databases.postgresql.binary_values import binary_values
from edms_tasks.databases.postgresql.loading import copy_table
from edms_tasks.databases.postgresql.session_settings import SETTINGS
from edms_tasks.databases.postgresql.type_encodings import base_of
from edms_tasks.inventory.model import Column
from edms_tasks.quoting import identifier, literal

Session = psycopg.Connection[tuple[object, ...]]

_NUMBERS = [
    "0",
    "0.00",
    "-0.01",
    "1.0",
    "1.00",
    "10000",
    "9999.9999",
    "-123456789012345678901234567890.000000001",
    "1e20",
]
_SPANS = [
    "0", "1 year 2 mons 3 days 04:05:06.789", "-1 year -2 mons +3 days -04:05:06", "1 mon", "-1 day", "00:00:00.000001",
    "2562047787:59:59.999999", "-2562047787:59:59.999999", "178000000 years", "-00:00:01", "1 day -00:00:01", "100:00:00",
]  # fmt: skip
_TIMES = ["00:00:00", "24:00:00", "23:59:59.999999", "01:02:03.5", "12:00:00.000001"]
_ADDRESSES = [
    "0.0.0.0",
    "10.0.0.1/8",
    "255.255.255.255",
    "::",
    "::1/64",
    "2001:db8::ff00:42:8329",
    "::ffff:1.2.3.4",
    "10.0.0.1/0",
]


_DATES = [
    "0001-01-01", "0001-12-31 BC", "0044-03-15 BC", "4713-01-01 BC", "4714-11-24 BC", "5874897-12-31", "infinity", "-infinity",
    "2000-02-29", "1900-02-28", "2000-01-01", "1999-12-31", "0004-02-29", "0005-02-29 BC", "1600-03-01", "2400-02-29",
]  # fmt: skip
_MOMENTS = [
    "0001-01-01 00:00:00", "0044-03-15 12:30:00.000001 BC", "294276-12-31 23:59:59.999999", "4714-11-24 00:00:00 BC", "infinity",
    "-infinity", "1969-12-31 23:59:59.5", "2000-02-29 12:00:00",
]  # fmt: skip


@pytest.fixture
def session(postgres_database: str) -> Iterator[Session]:
    with psycopg.connect(postgres_database) as connection:
        known = {str(name) for (name,) in connection.execute("SELECT name FROM pg_settings").fetchall()}
        for name in SETTINGS.keys() & known:
            connection.execute(f"SET {name} = {literal(SETTINGS[name])}".encode())
        yield connection


def there_and_back(session: Session, folder: Path, kind: str, values: Sequence[str | None]) -> int:
    """The number of rows in which a loaded value is another than the one whose text was loaded; raises if rows are missing."""
    session.execute(f"CREATE TABLE was (id integer, v {kind}); CREATE TABLE loaded (id integer, v {kind})".encode())
    with session.cursor() as cursor, cursor.copy(b"COPY was FROM STDIN") as stream:
        for row in enumerate(values):
            stream.write_row(row)
    rows = session.execute(b"SELECT id, v::text FROM was ORDER BY id").fetchall()
    chunk = folder / "chunk.parquet"
    ids, texts = pa.array([row[0] for row in rows], pa.int32()), pa.array([row[1] for row in rows], pa.string())
    pq.write_table(pa.table({"v": texts, "id": ids}), chunk)
    columns = [a_column("v", kind), a_column("id", "integer")]
    with session.cursor() as cursor:
        session.execute(b"TRUNCATE loaded")
        count = copy_table(cursor, columns, identifier("loaded"), {"id": "native", "v": "output"}, [chunk], frozen=True)
    assert count == len(values)
    sent = {
        "numeric": "numeric_send",
        "interval": "interval_send",
        "time without time zone": "time_send",
        "inet": "inet_send",
        "date": "date_send",
        "timestamp without time zone": "timestamp_send",
        "timestamp with time zone": "timestamptz_send",
    }
    form = sent[base_of(kind)]
    found = session.execute(
        f"SELECT count(*), count(*) FILTER (WHERE {form}(a.v) IS DISTINCT FROM {form}(b.v) OR a.v::text IS DISTINCT FROM b.v::text) "
        "FROM was a JOIN loaded b USING (id)".encode()
    ).fetchone()
    assert found is not None
    assert found[0] == len(values)
    return int(str(found[1]))


def a_column(name: str, native_type: str) -> Column:
    return Column(name=name, native_type=native_type, logical_type="other", nullable=True)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("numeric", _NUMBERS),
        ("numeric(24,8)", ["0", "-0.5", "1234567890123456.12345678", "0.00000001"]),
        ("interval", _SPANS),
        ("time without time zone", _TIMES),
        ("inet", _ADDRESSES),
        ("date", _DATES),
        ("timestamp without time zone", _MOMENTS),
        ("timestamp with time zone", _MOMENTS),
    ],
)
def test_each_value_is_the_same(session: Session, tmp_path: Path, kind: str, values: list[str]) -> None:
    assert there_and_back(session, tmp_path, kind, [*values, None]) == 0
    (texts,) = zip(*session.execute(b"SELECT v::text FROM loaded").fetchall(), strict=True)
    assert binary_values(base_of(kind), pa.array(texts, pa.string())) is not None


def test_random_values_are_the_same(session: Session, tmp_path: Path) -> None:
    draw = random.Random(1)
    numbers = [
        f"{draw.choice(['', '-'])}{draw.randrange(10 ** draw.randrange(1, 30))}.{draw.randrange(10 ** draw.randrange(1, 20))}"
        for _ in range(20_000)
    ]

    assert there_and_back(session, tmp_path, "numeric", numbers) == 0


def test_random_spans_are_the_same(session: Session, tmp_path: Path) -> None:
    draw = random.Random(2)

    def some(most: int, unit: str) -> str:
        return f"{draw.randrange(-most, most)} {unit}"

    spans = [
        " ".join((some(99, "years"), some(30, "mons"), some(400, "days"), some(10**12, "microseconds")))
        for _ in range(20_000)
    ]

    assert there_and_back(session, tmp_path, "interval", spans) == 0


def test_days_of_two_thousand_years_are_the_same(session: Session, tmp_path: Path) -> None:
    days = [
        str(day)
        for (day,) in session.execute(b"SELECT (date '1001-01-01 BC' + n)::text FROM generate_series(0, 730500, 7) n")
    ]

    assert there_and_back(session, tmp_path, "date", days) == 0


@pytest.mark.parametrize(
    ("kind", "values"), [("numeric", ["NaN", "1.5", "Infinity", "-Infinity"]), ("numeric", ["1" * 400, "2"])]
)
def test_a_chunk_with_a_value_without_a_binary_form_is_loaded_all_the_same(
    session: Session, tmp_path: Path, kind: str, values: list[str]
) -> None:
    assert binary_values(kind, pa.array(values)) is None
    assert there_and_back(session, tmp_path, kind, values) == 0


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("numeric", "1."), ("numeric", "+1"), ("numeric", ""), ("numeric", "1e5"),
        ("interval", ""), ("interval", "P1Y"), ("interval", "infinity"), ("interval", "2562047788:00:00"),
        ("time without time zone", "1:2:3"), ("inet", "10.0.0"), ("inet", "10.0.0.1/"), ("inet", "x"),
        ("inet", "10.0.0.1/33"), ("interval", "4000000000 days"), ("interval", "9999999999 years"),
        ("date", "15.03.2000"), ("date", "9999999-01-01"), ("timestamp with time zone", "999999-01-01 00:00:00+00"),
         ("date", "2000-01-01 00:00:00"), ("timestamp with time zone", "2000-01-01 00:00:00+01"),
    ],
)  # fmt: skip
def test_a_text_that_the_server_does_not_write_has_no_binary_form(kind: str, text: str) -> None:
    assert binary_values(kind, pa.array([text])) is None


@pytest.mark.parametrize("kind", ["numeric", "interval", "time without time zone", "inet", "date"])
def test_nothing_but_null_stays_null(session: Session, tmp_path: Path, kind: str) -> None:
    assert there_and_back(session, tmp_path, kind, [None, None]) == 0
