"""Find files outside the roots whose names are made from rows, though no column has them as a path.

Systems compute such names: `store/3f/3f2a….pdf` from a UUID, `blobs/ab/cd/ef01…` from a checksum, `exports/SOP-0001_v2.docx` from a
number, `originals/0000017.pdf` or `versions/17/current.pdf` from a primary key. An id or a checksum of 16 or more digits is no coincidence.
Texts and numbers may be one, so most files of a folder must be named in that way, and most rows, or many, must have such a file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import duckdb

from edms_tasks.files.path_columns import share_a_word
from edms_tasks.files.path_mentions import HASH, UUID, label_of, values_of
from edms_tasks.files.surrounding_files import below, top_folder
from edms_tasks.inventory.model import ForeignReference, Table
from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.raw_table import RawTable

_LONGEST = 255  # bytes of a file's name
_DEEPEST_SHARD = 6
_FEW = 5
_MANY = 20
_MOST = 0.5
_NEARLY_ALL = 0.95
# Their texts and ids name no files, and are the names of code: models, permissions, apps.
_OF_DJANGO = re.compile(r"(contenttypes|sessions|admin|sites)\.|auth\.Permission$|django_")


def add_files_named_after_rows(
    connection: duckdb.DuckDBPyConnection,
    columns: Mapping[str, tuple[Table, str]],
    tables: Sequence[Table],
    raws: Mapping[str, RawTable],
    *,
    files: str,
    outside: str,
) -> dict[str, tuple[Table, str]]:
    """Add to the relation `outside` the files that are named after rows.

    Args:
        connection: where the relations are.
        columns: by their labels: those that could hold the ids and texts.
        tables: all of the inventory.
        raws: the rows of those that were read.
        files: the relation of files outside the roots: (base, named, path).
        outside: the relation of mentions and files, of which some are known already.

    Returns:
        The primary keys that name files, as columns by their labels.
    """
    add_files_named_after_values(connection, columns, raws, files=files, outside=outside)
    _tabulate_numbers(connection)
    found = dict(_match_numbers(connection, tables, raws, outside)) if _any(connection, "numbers") else {}
    connection.execute("DROP TABLE numbers; DROP TABLE unclaimed")
    return found


def add_files_named_after_values(
    connection: duckdb.DuckDBPyConnection,
    columns: Mapping[str, tuple[Table, str]],
    raws: Mapping[str, RawTable],
    *,
    files: str,
    outside: str,
) -> None:
    """The same for ids, checksums and texts of columns, without numbers."""
    _tabulate_files(connection, files, outside)
    if not _any(connection, "unclaimed"):
        return
    _tabulate_names(connection)
    _match_values(connection, {label: one for label, one in columns.items() if not _OF_DJANGO.match(label)}, raws)
    _add(connection, outside, "SELECT * FROM of_values WHERE starts_with(key, '#')")
    _add(connection, outside, _texts())
    connection.execute("DROP TABLE names; DROP TABLE of_values")


def _any(connection: duckdb.DuckDBPyConnection, relation: str) -> bool:
    return connection.execute(f"SELECT 1 FROM {relation} LIMIT 1").fetchone() is not None


def _tabulate_files(connection: duckdb.DuckDBPyConnection, files: str, outside: str) -> None:
    """Fill `unclaimed` with the files that no row is known to name; `family` is the folder that they are judged with."""
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE unclaimed AS
        SELECT base, named, path, below, {top_folder("base", "below")} AS family
        FROM (SELECT base, named, path, {below("base", "path")} AS below FROM {files})
        WHERE path NOT IN (SELECT path FROM {outside})
        """
    )


def _tabulate_names(connection: duckdb.DuckDBPyConnection) -> None:
    """Fill `names` with (path, key): what a row would hold that gave a file its name.

    A key is `#` and an id or checksum without dashes, in lower case; or a name in the path, without extension, or the beginning of it.
    """
    parts = "string_split(regexp_replace(below, '(\\.[A-Za-z0-9]{1,8}){1,2}$', ''), '/')"
    joined = "lower(replace(array_to_string(parts[-k:], ''), '-', ''))"
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE names AS
        WITH parts AS (SELECT path, {parts} AS parts FROM unclaimed),
        single AS (SELECT path, unnest(parts) AS part FROM parts),
        pieces AS (SELECT path, unnest(regexp_split_to_array(part, '[^0-9A-Za-z-]+')) AS piece FROM single)
        SELECT DISTINCT path, key
        FROM (
            SELECT path, '#' || lower(replace(piece, '-', '')) AS key FROM pieces
            WHERE regexp_full_match(piece, '{UUID}|{HASH}')
            UNION ALL
            SELECT path, '#' || lower(replace(regexp_extract(piece, '(?:^|-)({UUID})(?:-|$)', 1), '-', '')) FROM pieces
            WHERE regexp_matches(piece, '(?:^|-){UUID}(?:-|$)')
            UNION ALL
            SELECT path, '#' || {joined}
            FROM (SELECT path, parts, unnest(range(2, {_DEEPEST_SHARD + 1})) AS k FROM parts WHERE len(parts) > 1)
            WHERE k <= len(parts) AND regexp_full_match({joined}, '{HASH}')
            UNION ALL
            SELECT path, part FROM single
            UNION ALL
            SELECT path, left(part, cut) FROM (
                SELECT path, part, unnest(list_filter(range(1, length(part)), lambda x: regexp_matches(part[x + 1], '[^0-9A-Za-z]'))) AS cut
                FROM single WHERE length(part) <= {_LONGEST}
            )
        )
        WHERE key <> '' AND key <> '#'
        """
    )


def _match_values(
    connection: duckdb.DuckDBPyConnection, columns: Mapping[str, tuple[Table, str]], raws: Mapping[str, RawTable]
) -> None:
    """Fill `of_values` with (label, value, rows, of, key, path): values that are a key of files; `of` are the column's values."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE of_values (label VARCHAR, value VARCHAR, rows BIGINT, of BIGINT, key VARCHAR, path VARCHAR)"
    )
    # Mostly no file is named after an id, and names are of few lengths: then the values need not be looked at closely.
    shortest, longest, ids = connection.execute(
        "SELECT min(strlen(key)), max(strlen(key)), count(*) FILTER (starts_with(key, '#')) FROM names"
    ).fetchall()[0]
    if not longest:
        return
    is_id = f"strlen(value) >= 16 AND regexp_full_match(value, '{UUID}|{HASH}')"
    key = f"CASE WHEN {is_id} THEN '#' || lower(replace(value, '-', '')) ELSE value END" if ids else "value"
    could_be = f"strlen(value) BETWEEN {int(shortest)} AND {int(longest)}" + (f" OR ({is_id})" if ids else "")
    for values, _ in values_of(list(columns.values()), raws):
        connection.execute(
            f"""
            INSERT INTO of_values
            SELECT label, value, rows, 0, key, path
            FROM (
                SELECT label, value, key, count(*) AS rows
                FROM (SELECT label, value, {key} AS key FROM ({values}) WHERE value <> '' AND strlen(value) <= {_LONGEST} AND ({could_be}))
                WHERE key IN (SELECT key FROM names)
                GROUP BY ALL
            )
            JOIN names USING (key)
            """
        )
    for (label,) in connection.execute(
        "SELECT DISTINCT label FROM of_values WHERE NOT starts_with(key, '#')"
    ).fetchall():
        ((values, _),) = values_of([columns[label]], raws)
        filled = f"SELECT count(DISTINCT value) FROM ({values}) WHERE value <> ''"
        connection.execute(f"UPDATE of_values SET of = ({filled}) WHERE label = $label", {"label": label})


def _texts() -> str:
    """SELECT of the files that are named after texts, each with the column that fits the most files of its folder."""
    return f"""
        WITH found AS (
            SELECT v.*, u.family FROM of_values v JOIN unclaimed u USING (path) WHERE NOT starts_with(key, '#') AND length(key) > 1
        ),
        fits AS (
            SELECT
                label, family, count(DISTINCT value) AS met, any_value(of) AS of,
                count(DISTINCT path) / (SELECT count(*) FROM unclaimed u WHERE u.family = found.family) AS share
            FROM found WHERE NOT regexp_full_match(value, '[0-9]+') GROUP BY label, family
        )
        SELECT found.* FROM found JOIN fits USING (label, family)
        WHERE share >= {_MOST} AND (met >= {_FEW} AND met >= {_MOST} * fits.of OR met >= {_MANY} OR met > 1 AND met = fits.of AND share = 1)
        QUALIFY row_number() OVER (PARTITION BY path ORDER BY share DESC, met / fits.of DESC, length(key) DESC, label) = 1
    """


def _add(connection: duckdb.DuckDBPyConnection, outside: str, found: str) -> None:
    """Move files from `unclaimed` to `outside`; `found` is a SELECT with label, value, rows, path."""
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE claimed AS
        SELECT f.label, f.value, f.rows, u.base, u.named, u.path FROM ({found}) f JOIN unclaimed u USING (path)
        """
    )
    connection.execute(
        f"""
        INSERT INTO {outside} BY NAME
        SELECT label, 'plain' AS form, NULL AS whole, value, rows, value AS wanted, base, named, path FROM claimed
        """
    )
    connection.execute("DELETE FROM unclaimed WHERE path IN (SELECT path FROM claimed)")
    connection.execute("DROP TABLE claimed")


def _tabulate_numbers(connection: duckdb.DuckDBPyConnection) -> None:
    """Fill `numbers` with (pattern, place, id, path): numbers in paths of the same form, `place` tells which of several."""
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE numbers AS
        SELECT pattern, place, TRY_CAST(digits[place] AS BIGINT) AS id, path
        FROM (
            SELECT base || '/' || regexp_replace(below, '[0-9]+', '#', 'g') AS pattern, path,
                regexp_extract_all(below, '[0-9]+') AS digits, unnest(range(1, len(digits) + 1)) AS place
            FROM unclaimed
        )
        WHERE id IS NOT NULL
        QUALIFY count(DISTINCT id) OVER (PARTITION BY pattern, place) >= {_FEW}
        """
    )


def _match_numbers(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[Table], raws: Mapping[str, RawTable], outside: str
) -> Iterator[tuple[str, tuple[Table, str]]]:
    """Add the files that are named after primary keys, and give these; each pattern belongs to the table that fits best."""
    connection.execute("CREATE OR REPLACE TEMP TABLE ids (label VARCHAR, id BIGINT)")
    keys: dict[str, tuple[Table, str]] = {}
    for table in tables:
        if (
            len(table.primary_key) != 1
            or _OF_DJANGO.match(table.label)
            or not (table.id in raws and raws[table.id].files)
        ):
            continue
        (name,) = table.primary_key
        if table.column(name).logical_type != "integer":
            continue
        keys[label_of(table, name)] = (table, name)
        paths = ", ".join(literal(str(path)) for path in raws[table.id].files)
        connection.execute(
            f"INSERT INTO ids SELECT {literal(label_of(table, name))}, TRY_CAST({identifier(name)} AS BIGINT) FROM read_parquet([{paths}])"
        )
    fits = connection.execute(
        """
        SELECT pattern, place, label, met, total, rows
        FROM (
            SELECT pattern, place, label, count(DISTINCT id) AS met FROM numbers JOIN ids USING (id) GROUP BY pattern, place, label
        )
        JOIN (SELECT pattern, place, count(DISTINCT id) AS total FROM numbers GROUP BY pattern, place) USING (pattern, place)
        JOIN (SELECT label, count(*) AS rows FROM ids GROUP BY label) USING (label)
        ORDER BY pattern, place, label
        """
    ).fetchall()
    best: dict[str, tuple[tuple[bool, float, int], int, str]] = {}
    pointed = Counter(r.target for table in tables for r in table.references if isinstance(r, ForeignReference))
    for pattern, place, label, met, total, rows in fits:
        alike = share_a_word(pattern, _spelled(keys[label][0]))
        if met < _NEARLY_ALL * total or not (met >= _MOST * rows or (alike and met >= _MANY)):
            continue
        rank = (alike, met / rows, pointed[keys[label][0].id])
        if pattern not in best or rank > best[pattern][0]:
            best[pattern] = (rank, place, label)
    for pattern, (_, place, label) in sorted(best.items()):
        chosen = f"pattern = {literal(pattern)} AND place = {place} AND n.id = i.id AND i.label = {literal(label)}"
        _add(
            connection,
            outside,
            f"SELECT label, CAST(n.id AS VARCHAR) AS value, 1 AS rows, path FROM numbers n JOIN ids i ON {chosen}",
        )
        yield label, keys[label]
    connection.execute("DROP TABLE ids")


def _spelled(table: Table) -> str:
    """The model's name in words: `Signed document` of documents.SignedDocument."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", table.label.rpartition(".")[2])
