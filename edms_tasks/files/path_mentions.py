"""Collect the values of columns that could name files: text, JSON, ids, and lists in text; one query for many small tables.

Windows separators, URLs of files and `./` are recognised; a mention always has `/` between its parts. `mention_matching.py`
determines whether the file exists.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import duckdb

from edms_tasks.inventory.model import ForeignReference, GenericReference, Table
from edms_tasks.manifest import Encoding
from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.raw_table import RawTable

MENTIONED = "mentioned"
"""The relation of (label, form, whole, value, rows, wanted, depth).

form: `plain`, a value; `url`, one that is a URL, and not of the EDMS's own files as far as is known; `list`, a part of a value that is
a list, which `whole` tells; `whole`, that value, since a name can hold commas; `json`, a string in JSON. wanted, depth: the end of a
path by which a file is known, and of how many names it is.
"""

_KINDS = {"text", "json", "uuid", "other"}
_BYTES_OF_A_QUERY = 16 << 20
_TABLES_OF_A_QUERY = 50  # the time of its preparation grows with the square of their number
_LONGEST_PATH = 1_024
_LONGEST_LIST = 100_000
_LONGEST_JSON = 1_000_000
UUID = "[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}"
# A file's name has an extension, or is a UUID, a hash or the like; a mere word is none.
HASH = "[0-9a-fA-F]{16,}"
_FILE_NAME = rf"(?:.*\.[A-Za-z0-9]{{1,8}}|{UUID}|{HASH})"
_BLANKS = " \t\r\n"
_FILES = "names_of_files"  # (name): the last parts of files' paths, or the key of an id
_NAMED = f"CASE WHEN contains(wanted, '/') THEN regexp_extract(wanted, '[^/]*$') ELSE wanted END IN (SELECT name FROM {_FILES})"
_Columns = tuple[Sequence[tuple[Table, str]], RawTable]  # of one table
_SEPARATORS = ("\n", "\t", "|", ";", ",")  # the first that a value has is the list's


def label_of(table: Table, column: str) -> str:
    """The name of a column in relations and findings."""
    return f"{table.label}.{column}"


def mentioning_columns(tables: Sequence[Table], raws: Mapping[str, RawTable]) -> Iterator[tuple[Table, str]]:
    """Columns that could name files, other than FileFields and references."""
    for table in tables:
        if table.id not in raws or not raws[table.id].files:
            continue
        taken = {column for column, _ in table.file_columns}
        for reference in table.references:
            if isinstance(reference, ForeignReference):
                taken.update(reference.columns)
            elif isinstance(reference, GenericReference):
                taken |= {reference.content_type_column, reference.object_id_column}
        for column in table.columns:
            if column.logical_type in _KINDS and column.name not in taken and not column.generated:
                yield table, column.name


def collect_mentions(
    connection: duckdb.DuckDBPyConnection,
    columns: Sequence[tuple[Table, str]],
    raws: Mapping[str, RawTable],
    urls: Sequence[str],
) -> None:
    """Fill `MENTIONED` with the values that hold a folder or an extension; `urls` are what URLs of files begin with."""
    _collect(connection, columns, raws, urls, _has_path("value"), MENTIONED)


def add_bare_names(
    connection: duckdb.DuckDBPyConnection,
    columns: Mapping[str, tuple[Table, str]],
    raws: Mapping[str, RawTable],
    urls: Sequence[str],
    *,
    files: str,
    known: Collection[str],
) -> None:
    """Add to `MENTIONED` the values that are mere ids or hashes, of the columns in which any value is a file's name.

    Every row of an EDMS may hold several of these, keys and checksums, and mostly no file has such a name.

    Args:
        connection: where `MENTIONED` is.
        columns: by their labels.
        raws: the rows of the tables.
        urls: what URLs of files begin with.
        files: SELECT of (path), as text: all files that rows could name.
        known: labels of columns that named files before.
    """
    key = f"CASE WHEN {is_id('path')} THEN {id_key('path')} ELSE {last_name('path')} END"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {_FILES} AS SELECT DISTINCT {key} AS name FROM ({files})")
    found = {
        label for (label,) in connection.execute(f"SELECT DISTINCT label FROM {MENTIONED} WHERE {_NAMED}").fetchall()
    }
    are_bare = f"SELECT count(*) FROM {_FILES} WHERE starts_with(name, '#') OR regexp_full_match(name, {literal(HASH)})"
    if connection.execute(are_bare).fetchall() != [(0,)]:
        chosen = list(columns.values())
    else:
        chosen = [columns[label] for label in columns if label in found or label in known]
    if chosen:
        _collect(connection, chosen, raws, urls, f"NOT {_has_path('value')}", "bare")
        labels = ", ".join(map(literal, sorted({*found, *known}))) or "NULL"
        its = f"label IN ({labels}) OR label IN (SELECT label FROM bare WHERE {_NAMED})"
        # An id may stand in one JSON document beside a path, and in another without.
        connection.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE {MENTIONED} AS
            SELECT label, form, whole, value, CAST(sum(rows) AS BIGINT) AS rows, wanted, depth
            FROM (SELECT * FROM {MENTIONED} UNION ALL SELECT * FROM bare WHERE {its})
            GROUP BY ALL
            """
        )
        connection.execute("DROP TABLE bare")
    connection.execute(f"DROP TABLE {_FILES}")


def _collect(
    connection: duckdb.DuckDBPyConnection,
    columns: Sequence[tuple[Table, str]],
    raws: Mapping[str, RawTable],
    urls: Sequence[str],
    chosen: str,
    into: str,
) -> None:
    """Create the table `into`, like `MENTIONED`, of the values for which `chosen` is true."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE written (label VARCHAR, form VARCHAR, whole UBIGINT, value VARCHAR, rows BIGINT)"
    )
    for values, tables in values_of(columns, raws):
        if tables > 1:
            # Held, since DuckDB would prepare the tests of a value for each table anew.
            connection.execute(f"CREATE OR REPLACE TEMP TABLE values_together AS {values}")
            values = "SELECT label, value FROM values_together"
        connection.execute(_written(values, chosen))
    wanted = f"CASE WHEN form <> 'whole' AND {is_id('value')} THEN {id_key('value')} ELSE ltrim(value, '/') END"
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {into} AS
        SELECT *, CASE WHEN contains(wanted, '/') THEN len(string_split(wanted, '/')) ELSE 1 END AS depth
        FROM (
            SELECT label, form, whole, value, CAST(sum(rows) AS BIGINT) AS rows, {wanted} AS wanted
            FROM (
                SELECT
                    label, CASE WHEN form = 'plain' AND {_is_elsewhere(urls)} THEN 'url' ELSE form END AS form, whole,
                    {_in_one_form(urls)} AS value, rows
                FROM written
            )
            WHERE contains(ltrim(value, '/'), '/') OR {is_file_name("ltrim(value, '/')")}
            GROUP BY ALL
        )
        """
    )
    connection.execute("DROP TABLE written")


def values_of(columns: Sequence[tuple[Table, str]], raws: Mapping[str, RawTable]) -> Iterator[tuple[str, int]]:
    """SELECTs of (label, value), as text: what columns hold, one SELECT for many small tables; with the number of tables."""
    by_table: dict[str, list[tuple[Table, str]]] = {}
    for table, column in columns:
        by_table.setdefault(table.id, []).append((table, column))
    for those in _together([(its, raws[table]) for table, its in by_table.items()]):
        yield "\nUNION ALL\n".join(_values(its, raw) for its, raw in those), len(those)


def _together(tables: Sequence[_Columns]) -> Iterator[list[_Columns]]:
    """The tables in groups of which each is one query: small ones share it, since most of its time would go into its preparation."""
    group: list[_Columns] = []
    size = 0
    for its, raw in tables:
        if len(group) == _TABLES_OF_A_QUERY or (group and size + raw.bytes > _BYTES_OF_A_QUERY):
            yield group
            group, size = [], 0
        group.append((its, raw))
        size += raw.bytes
    if group:
        yield group


def is_file_name(text: str) -> str:
    """SQL: whether a text looks like a file name and not like a word: it has an extension, or is a UUID or a hash."""
    return f"regexp_full_match({text}, {literal(_FILE_NAME)})"


def is_id(path: str) -> str:
    """SQL: whether the last name of a path is a UUID."""
    return f"regexp_full_match({last_name(path)}, {literal(UUID)})"


def id_key(path: str) -> str:
    """SQL: a key for the UUID at the end of a path, the same with and without dashes; no path begins like it."""
    return f"'#' || lower(replace({last_name(path)}, '-', ''))"


def last_name(path: str) -> str:
    """SQL: the part of a path after the last `/`."""
    return f"regexp_extract({path}, '[^/]*$')"


def text_bytes(name: str, encoding: Encoding) -> str:
    """SQL: the text of a raw value as UTF-8 bytes, the form in which file names are compared."""
    if encoding == "tagged":
        return (
            f"CASE WHEN left({name}, 1) IN ('t', 'b') THEN unhex(substr({name}, 2)) ELSE encode(substr({name}, 2)) END"
        )
    return f"encode(CAST({name} AS VARCHAR))"


def plain_text(name: str, encoding: Encoding) -> str:
    """SQL: a raw value's text; NULL for bytes that are none."""
    if encoding == "tagged":
        return f"try(decode({text_bytes(name, encoding)}))"
    return f"CAST({name} AS VARCHAR)"


def _written(values: str, chosen: str) -> str:
    """INSERT what columns hold that could be a name of a file, as it is written; of the values that are `chosen`."""
    in_json = r"""unnest(regexp_extract_all(value, '"((?:[^"\\]|\\.)+)"', 1))"""
    unescaped = """CASE WHEN contains(value, '\\') THEN try(CAST('"' || value || '"' AS JSON) ->> '$') ELSE value END"""
    return f"""
        INSERT INTO written
        WITH texts AS (
            -- Each value once: what is asked of it from here on costs more than that. JSON of 100,000 rows may be a few documents.
            SELECT label, value, is_json, separator, count(*) AS rows
            FROM (
                SELECT
                    label, value, {_is_json("value")} AS is_json,
                    CASE WHEN is_json THEN NULL ELSE {_separator("value")} END AS separator
                FROM ({values})
                WHERE strlen(value) <= {_LONGEST_JSON} AND {chosen}
            )
            -- What is kept is held: long texts, of which hardly any is a list, are dropped here.
            WHERE is_json OR separator IS NOT NULL OR strlen(value) <= {_LONGEST_PATH} AND {_could_be("value")}
            GROUP BY ALL
        ),
        plain AS (SELECT label, value, rows, separator FROM texts WHERE NOT is_json)
        SELECT label, form, whole, value, sum(rows)
        FROM (
            SELECT label, 'plain' AS form, NULL AS whole, value, rows FROM plain WHERE separator IS NULL
            UNION ALL
            SELECT label, 'whole', hash(value), value, rows FROM plain WHERE separator IS NOT NULL
            UNION ALL
            SELECT label, 'list', hash(value), trim(unnest(string_split(value, separator)), {literal(_BLANKS)}), rows
            FROM plain WHERE separator IS NOT NULL
            UNION ALL
            SELECT label, 'json', NULL, {unescaped}, rows
            FROM (SELECT label, {in_json} AS value, rows FROM texts WHERE is_json)
            WHERE contains(value, '/') OR contains(value, {literal(2 * chr(92))}) OR {is_file_name("value")}
        )
        WHERE strlen(value) <= {_LONGEST_PATH} AND {_could_be("value")}
        GROUP BY ALL
    """


def _values(columns: Sequence[tuple[Table, str]], raw: RawTable) -> str:
    """SELECT (label, value) of a table's columns."""
    paths = ", ".join(literal(str(path)) for path in raw.files)
    names = ", ".join(literal(label_of(table, column)) for table, column in columns)
    texts = ", ".join(plain_text(identifier(column), raw.encodings.get(column, "native")) for _, column in columns)
    return f"SELECT unnest([{names}]) AS label, unnest([{texts}]) AS value FROM read_parquet([{paths}])"


def _has_path(value: str) -> str:
    """SQL: whether a value, or a part of it, could hold a folder or an extension. Asked first, for it is quick and mostly false."""
    end = literal(r'\.[A-Za-z0-9]{1,8}(?:$|["|;,[:space:]])')
    return f"(contains({value}, '/') OR contains({value}, '\\') OR contains({value}, '.') AND regexp_matches({value}, {end}))"


def _is_json(value: str) -> str:
    """SQL: whether a value begins and ends as JSON does: `[x].pdf` is the name of a file."""
    end = f"right(rtrim(right({value}, 8), {literal(_BLANKS)}), 1)"
    pair = f"left({value}, 1) || {end} IN ('[]', '{{}}', '\"\"')"
    # Taking the ends of each value off, by characters, took longer than all else that is asked of it.
    begins = " OR ".join(f"starts_with({value}, {literal(mark)})" for mark in '[{"')
    return f"(CASE WHEN {begins} THEN {pair} ELSE false END)"


def _could_be(value: str) -> str:
    """SQL: whether a value could be a name of a file, as it is written."""
    return f"(contains({value}, '/') OR contains({value}, '\\') OR {is_file_name(value)})"


def _separator(value: str) -> str:
    """SQL: what separates the parts of a value all of which look like names of files; NULL of other values."""
    cases = []
    for separator in _SEPARATORS:
        other = f"[^{separator}]"
        part = rf"\s*(?:{other}*[/\\]{other}*|{other}*\.[A-Za-z0-9]{{1,8}}|{UUID}|[0-9a-fA-F]{{16,}})\s*"
        found = f"regexp_full_match({value}, {literal(f'(?:{part}[{separator}])+(?:{part}|[[:space:]]*)')})"
        cases.append(
            f"WHEN contains({value}, {literal(separator)}) THEN CASE WHEN {found} THEN {literal(separator)} END"
        )
    return f"CASE WHEN strlen({value}) > {_LONGEST_LIST} THEN NULL {' '.join(cases)} END"


def _is_elsewhere(urls: Sequence[str]) -> str:
    """SQL: whether a `value` is a URL that does not begin like those of the EDMS's files."""
    prefixes = "|".join(_escaped(prefix.strip("/")) for prefix in urls)
    own = f"regexp_matches(value, {literal(f'^https?://[^/]*/(?:{prefixes})/')})" if prefixes else "false"
    return f"regexp_matches(value, '^https?://') AND NOT {own}"


def _in_one_form(urls: Sequence[str]) -> str:
    """The path in a `value`: of a URL, of Windows, below the prefix of URLs of files, after `./`."""
    url = r"""regexp_replace(regexp_replace(value, '^(?:https?://[^/]*|file://)', ''), '[?#].*$', '')"""
    plain = f"CASE WHEN regexp_matches(value, '^(?:https?|file)://') THEN url_decode({url}) ELSE replace(value, '\\', '/') END"
    bare = f"regexp_replace({plain}, '^(?:\\./)+', '')"
    prefixes = "|".join(_escaped(prefix.strip("/")) for prefix in urls)
    return f"""regexp_replace({bare}, {literal(f"^(?:https?:/)?/(?:{prefixes})/")}, '')""" if prefixes else bare


def _escaped(text: str) -> str:
    return "".join(one if one.isalnum() or one in "/_-" else f"\\{one}" for one in text)
